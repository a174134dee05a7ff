// In place of React: elements, components that are functions, and one root that they are rendered into.
"use strict";
function h(type, props, ...children) {
  return { type, props: props || {}, children: children.flat() };
}
function build(node) {
  if (typeof node === "string" || typeof node === "number") return document.createTextNode(String(node));
  if (typeof node.type === "function") return build(node.type({ ...node.props, children: node.children }));
  const made = document.createElement(node.type);
  for (const [name, value] of Object.entries(node.props)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2).toLowerCase(), value);
    else made.setAttribute(name, value);
  }
  made.append(...node.children.map(build));
  return made;
}
// A component that throws is left out, and told, as an error boundary does it.
function Guarded({ name, children }) {
  try {
    return { type: "section", props: { class: name }, children: children.map((child) => child()) };
  } catch (error) {
    console.error(`The component <${name}> does not render:`, error.message);
    return h("section", { class: `${name} failed` }, "This part does not work at the moment.");
  }
}
function createRoot(where) {
  return { render: (node) => where.replaceChildren(build(node)) };
}
