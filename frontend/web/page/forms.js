// Forms of one's own account, and orders by a button.
import { api, el, note } from './ui.js';

export const when = ms => ms ? new Date(ms).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' }) : 'never';

// A labelled input, with room for what is wrong with it.
export function line(name, label, properties = {}) {
  const id = 'account-' + name;
  return el('div', { class: 'row' }, el('label', { for: id }, label),
    el('div', { class: 'field' }, el('input', { id, name, required: true, 'aria-describedby': id + '-fault', ...properties })),
    el('div', { class: 'fault', id: id + '-fault' }));
}

// send(form's members) answers what becomes of the place; what is refused stands beside its field.
export function form(name, title, lines, button, send) {
  const go = el('button', { class: 'first', id: name }, button);
  return el('form', { novalidate: true, onsubmit: async event => {
    event.preventDefault();
    const all = event.target.elements;
    for (const f of event.target.querySelectorAll('.fault')) f.textContent = '';
    go.disabled = true;
    try {
      note('');
      await send(all);
    } catch (e) {
      for (const [field, text] of Object.entries(e.fields || {})) {
        const place = event.target.querySelector(`[name=${CSS.escape(field)}]`);
        if (place) document.getElementById(place.id + '-fault').textContent = text;
      }
      note(e.message, 'bad');
    }
    go.disabled = false;
  } }, title ? el('h3', {}, title) : null, lines, el('div', { class: 'bar' }, go));
}

export async function ask(method, path, done, body) {
  try {
    await api(method, path, body);
  } catch (e) {
    note(e.message, 'bad');
    return;
  }
  await done();
}

export function select(name, label, options) {
  const id = 'account-' + name;
  return el('div', { class: 'row' }, el('label', { for: id }, label), el('div', { class: 'field' },
    el('select', { id, name }, options.map(([text, value]) => el('option', { value }, text)))), el('div', { class: 'fault', id: id + '-fault' }));
}
