// The same small application on Node: `application.js KIND PORT`, with express-prom-bundle, or with prom-client alone.
const wait = (variable) => new Promise((done) => setTimeout(done, 1000 * Number(process.env[variable] || 0)));
const [kind, port] = process.argv.slice(2);
const modules = process.env.MODULES;
const express = require(`${modules}/express`);
const app = express();

if (kind === "bundle") {
  const bundle = require(`${modules}/express-prom-bundle`);
  app.use(bundle({ includeMethod: true, includePath: true }));
} else {
  // as prom-client's own examples have it
  const client = require(`${modules}/prom-client`);
  const duration = new client.Histogram({
    name: "http_request_duration_seconds",
    help: "Duration of HTTP requests in seconds",
    labelNames: ["method", "route", "code"],
  });
  app.use((request, response, next) => {
    const end = duration.startTimer();
    response.on("finish", () =>
      end({ method: request.method, route: request.route ? request.route.path : "", code: response.statusCode }),
    );
    next();
  });
  app.get("/metrics", async (request, response) => {
    response.set("Content-Type", client.register.contentType);
    response.end(await client.register.metrics());
  });
}

app.get("/orders/:number", (request, response) => wait("ORDER_SECONDS").then(() => response.json({})));
app.get("/exports/:number", (request, response) => wait("EXPORT_SECONDS").then(() => response.json({})));
app.get("/search", (request, response) => wait("SEARCH_SECONDS").then(() => response.json([])));
app.get("/refused", (request, response) => response.status(503).end());
app.get("/broken", () => {
  throw new Error("broken");
});
app.listen(Number(port), "127.0.0.1");
