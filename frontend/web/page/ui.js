// Elements out of data, and the API. What comes from the server only ever becomes a
// text node or a property of an input: nothing of it is read as HTML.

let token = '';

export function setToken(text) { token = text || ''; }

export class ApiError extends Error {
  constructor(status, answer) {
    super(answer.error || `The server answered ${status}.`);
    this.status = status;
    this.fields = answer.fields || {};
    this.codeNeeded = answer.code_needed || false; // a login's second factor
  }
}

export async function api(method, path, body, headers = {}) {
  const options = { method, headers: { ...headers }, credentials: 'same-origin' };
  if (method !== 'GET') {
    options.headers['Content-Type'] = 'application/json';
    options.headers['X-Stagepost-Token'] = token;
    if (body !== undefined) options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch('/api/v1/' + path, options);
  } catch {
    throw new ApiError(0, { error: 'The server cannot be reached.' });
  }
  let answer = {};
  try { answer = await response.json(); } catch { /* the status tells enough */ }
  if (response.status === 401 && path !== 'session') {
    answer.error = 'The session has ended. Log in again.';
    window.dispatchEvent(new Event('logged-out'));
  }
  if (!response.ok) throw new ApiError(response.status, answer);
  return answer;
}

// el('button', { class: 'first', onclick: f }, 'Save')
export function el(name, properties = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) e.addEventListener(key.slice(2), value);
    else if (key === 'value') e.value = value;
    else e.setAttribute(key, value === true ? '' : value);
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    e.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return e;
}

export function show(place, ...children) {
  place.replaceChildren(...children.flat().filter(c => c));
}

let turn = 0;
let leaving = [];

// Called when the view that is open now is left.
export function onLeave(call) { leaving.push(call); }

// A view that waits for an answer draws nothing once another has begun.
export function begin() {
  const mine = ++turn;
  const calls = leaving;
  leaving = [];
  for (const call of calls) call();
  return () => mine === turn;
}

let timer;

export function note(text, kind = '') {
  const place = document.getElementById('note');
  clearTimeout(timer);
  place.textContent = text;
  place.className = kind;
  // What is under way stays until its end is told.
  if (kind !== 'bad' && !text.endsWith('...')) timer = setTimeout(() => { place.textContent = ''; }, 6000);
}

// Draws anew what has changed, and leaves the focus where it was.
export function redraw(place, ...children) {
  const active = document.activeElement;
  const text = place.contains(active) ? active.textContent : null;
  show(place, ...children);
  if (text !== null) {
    const same = [...place.querySelectorAll('button')].find(b => b.textContent === text);
    if (same) same.focus();
  }
}

// columns: [title, row => text or element]
export function table(columns, rows, empty) {
  if (rows.length === 0) return el('p', {}, empty);
  return el('div', { class: 'scroll' }, el('table', {},
    el('thead', {}, el('tr', {}, columns.map(c => el('th', { scope: 'col' }, c[0])))),
    el('tbody', {}, rows.map(row => el('tr', {}, columns.map(c => el('td', {}, c[1](row))))))));
}
