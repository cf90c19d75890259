// The queue and the processes.
import { api, begin, el, note, show, table } from './ui.js';

async function asked(path) {
  try {
    return await api('GET', path);
  } catch (e) {
    note(e.message, 'bad');
    return null;
  }
}

const text = value => value === undefined || value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : value;

// ---- The queue ----

async function order(place, id, verb) {
  if (verb === 'delete' && !confirm(`Delete the message ${id}? Nobody is told.`)) return;
  try {
    const answer = await api('POST', `queue/${encodeURIComponent(id)}/${verb}`);
    const told = answer.messages[0];
    note(told ? told.text || (told.done ? 'Done.' : 'Not done.') : 'No broker has answered.', told && told.done ? 'good' : 'bad');
  } catch (e) {
    note(e.message, 'bad');
  }
  openQueue(place);
}

async function showMessage(place, id) {
  const isCurrent = begin();
  const message = await asked('queue/' + encodeURIComponent(id));
  if (!message || !isCurrent()) return;
  show(place, el('h2', {}, 'Message ', id), el('div', { class: 'bar' },
    el('button', { onclick: () => openQueue(place) }, 'Back to the queue'),
    ['retry', 'hold', 'release', 'delete'].map(verb => el('button', { onclick: () => order(place, id, verb) }, verb))),
    el('pre', {}, JSON.stringify(message, null, 2)));
}

export async function openQueue(place, after = '', filter = {}) {
  const isCurrent = begin();
  const query = new URLSearchParams({ limit: '100', after, ...filter });
  const [summary, list] = await Promise.all([asked('queue/summary'), asked('queue?' + query)]);
  if (!summary || !list || !isCurrent()) return;
  const fields = ['sender', 'recipient', 'destination'].map(name =>
    el('input', { name, id: 'filter-' + name, placeholder: name, 'aria-label': name, value: filter[name] || '' }));
  show(place, el('h2', {}, 'Queue'),
    [...summary.missing, ...list.missing].slice(0, 1).map(m => el('p', { class: 'fault' }, m.problem)),
    table([['Destination', d => text(d.destination)], ['Queued', d => text(d.queued)], ['Active', d => text(d.active)],
      ['Deferred', d => text(d.deferred)], ['Held', d => text(d.held)]], summary.destinations, 'The queue is empty.'),
    el('form', { class: 'bar', onsubmit: event => {
      event.preventDefault();
      openQueue(place, '', Object.fromEntries(fields.filter(f => f.value).map(f => [f.name, f.value])));
    } }, fields, el('button', {}, 'Filter')),
    table([['Message', m => el('button', { onclick: () => showMessage(place, m.id) }, m.id)], ['Sender', m => text(m.sender)],
      ['Recipients', m => text(m.recipients)], ['State', m => text(m.state)]], list.messages, 'No messages.'),
    list.next ? el('div', { class: 'bar' }, el('button', { onclick: () => openQueue(place, list.next, filter) }, 'Next page')) : null);
}

// ---- Processes ----

export async function openProcesses(place) {
  const isCurrent = begin();
  const status = await asked('status');
  if (!status || !isCurrent()) return;
  show(place, el('h2', {}, 'Processes'),
    (status.warnings || []).map(w => el('p', { class: 'fault' }, text(w.text ?? w))),
    table([['Process', p => text(p.id)], ['Kind', p => text(p.kind)], ['Host', p => text(p.host)],
      ['Heartbeat', p => `${(p.heartbeat_age_ms / 1000).toFixed(1)} s ago`], ['Settings', p => text(p.settings_version)]], status.processes, 'No processes.'),
    el('h2', {}, 'Store'), el('pre', {}, JSON.stringify(status.store, null, 2)),
    el('h2', {}, 'Queue'), el('pre', {}, JSON.stringify(status.queue, null, 2)),
    el('div', { class: 'bar' }, el('button', { onclick: () => openProcesses(place) }, 'Refresh')));
}
