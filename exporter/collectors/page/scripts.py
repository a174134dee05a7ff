"""What is run in the page: in a world of its own, where the page's scripts neither see it nor change what it sees."""

from typing import Final

WORLD: Final = "runbook-exporter"

AT_START: Final = """
(() => {
  if (globalThis.__tasks) return;
  const tasks = globalThis.__tasks = {last: 0, late: 0};
  new PerformanceObserver(list => {
    for (const task of list.getEntries()) {
      tasks.late += 1;
      tasks.last = Math.max(tasks.last, task.startTime + task.duration);
    }
  }).observe({type: 'longtask', buffered: true});
})()
"""
"""Notes when the last task ended that kept the page from answering for more than 50 ms."""

STATE: Final = """
(selectors => {
  const seconds = value => value > 0 ? value / 1000 : null;
  const navigation = performance.getEntriesByType('navigation')[0] || {};
  const paint = performance.getEntriesByName('first-contentful-paint')[0] || {};
  const elements = selectors.map(selector => {
    let found;
    try { found = document.querySelector(selector); } catch { return 'wrong'; }
    if (!found) return 'missing';
    return found.childElementCount || (found.textContent || '').trim() ? 'present' : 'empty';
  });
  return {
    now: performance.now() / 1000, elements,
    task: globalThis.__tasks ? globalThis.__tasks.last / 1000 : 0,
    load: seconds(navigation.loadEventEnd), usable: seconds(navigation.domContentLoadedEventEnd),
    paint: seconds(paint.startTime),
  };
})(%s)
"""
"""How far the page is: times in seconds since the navigation began, and each element that must be there."""

STORAGE: Final = """
(async () => {
  const found = {works: false, usage: null, quota: null, letters: null};
  try {
    const key = 'runbook-exporter-' + Math.random(), value = String(Math.random());
    localStorage.setItem(key, value);
    found.works = localStorage.getItem(key) === value;
    localStorage.removeItem(key);
  } catch { found.works = false; }
  try {
    const until = performance.now() + 1500;
    let letters = 0, index = 0;
    for (; index < localStorage.length && performance.now() < until; index++) {
      const key = localStorage.key(index);
      letters += key.length + localStorage.getItem(key).length;
    }
    if (index >= localStorage.length) found.letters = letters;
  } catch {}
  try {
    const estimate = await navigator.storage.estimate();
    found.usage = estimate.usage; found.quota = estimate.quota;
  } catch {}
  return found;
})()
"""
"""Whether the browser lets this page keep what it wants to, what it keeps, and how much room is left.

The letters in localStorage are not told where counting them takes too long, the estimate in secure contexts only.
"""

STRUCTURE: Final = r"""
(({selector, depth, generated}) => {
  const top = document.querySelector(selector);
  if (!top) return null;
  const ignored = new Set(['script', 'style', 'link', 'meta', 'noscript', 'template', 'br', 'wbr']);
  const made = name => generated ? false
    : /\d/.test(name) || /^[_-]/.test(name) || /^(css|sc|jsx|emotion|chakra|svelte|astro|ng|data-v)-/.test(name)
      || /[a-z][A-Z]{2,}[a-z]|__?[A-Za-z]{5,}$/.test(name) && /[A-Z]/.test(name);
  const paths = new Set();
  let left = 50000;
  const named = element => {
    const id = element.id && typeof element.id === 'string' && !made(element.id) ? '#' + element.id : '';
    const classes = [...element.classList].filter(name => !made(name)).sort();
    return element.localName + id + classes.map(name => '.' + name).join('');
  };
  const walk = (element, above, level) => {
    if (left-- <= 0 || ignored.has(element.localName)) return;
    const path = above + '>' + named(element);
    paths.add(path);
    if (level >= depth || element.localName === 'svg') return;
    for (const child of element.children) walk(child, path, level + 1);
  };
  walk(top, '', 0);
  return [...paths].sort().join('\n');
})(%s)
"""
"""The distinct paths of elements, with their ids and classes: no text, and neither their number nor their order."""
