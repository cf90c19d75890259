// The queue and the processes.
import { api, begin, el, note, onLeave, redraw, show, table } from './ui.js';
import { certificates } from './certificates.js';
import { chart } from './chart.js';
import { watch } from './live.js';

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
  if (verb === 'delete' && !confirm(`Delete the message ${id}? Nobody is notified.`)) return;
  try {
    const answer = await api('POST', `queue/${encodeURIComponent(id)}/${verb}`);
    const told = answer.messages[0];
    note(told ? told.text || (told.done ? 'Done.' : 'Not done.') : 'No broker has answered.', told && told.done ? 'good' : 'bad');
  } catch (e) {
    note(e.message, 'bad');
  }
  openQueue(place);
}

export async function showMessage(place, id) {
  const isCurrent = begin();
  const message = await asked('queue/' + encodeURIComponent(id));
  if (!message || !isCurrent()) return;
  show(place, el('h2', {}, 'Message ', id), el('div', { class: 'bar' },
    el('button', { onclick: () => openQueue(place) }, 'Back to the queue'),
    ['retry', 'hold', 'release', 'delete'].map(verb => el('button', { onclick: () => order(place, id, verb) }, verb))),
    el('pre', {}, JSON.stringify(message, null, 2)));
}

function destinationTable(summary) {
  return table([['Destination', d => text(d.destination)], ['Queued', d => text(d.queued)], ['Active', d => text(d.active)],
    ['Deferred', d => text(d.deferred)], ['Held', d => text(d.held)]], summary.destinations, 'The queue is empty.');
}

function messageTable(place, list, filter) {
  return [table([['Message', m => el('button', { onclick: () => showMessage(place, m.id) }, m.id)], ['Sender', m => text(m.sender)],
    ['Recipients', m => text(m.recipients)], ['State', m => text(m.state)]], list.messages, 'No messages.'),
  list.next ? el('div', { class: 'bar' }, el('button', { onclick: () => openQueue(place, list.next, filter) }, 'Next page')) : null];
}

const missing = (...answers) => answers.flatMap(a => a.missing).slice(0, 1).map(m => el('p', { class: 'fault' }, m.problem));

export async function openQueue(place, after = '', filter = {}) {
  const isCurrent = begin();
  const path = 'queue?' + new URLSearchParams({ limit: '100', after, ...filter });
  const [summary, list] = await Promise.all([asked('queue/summary'), asked(path)]);
  if (!summary || !list || !isCurrent()) return;
  const fields = ['sender', 'recipient', 'destination'].map(name =>
    el('input', { name, id: 'filter-' + name, placeholder: name, 'aria-label': name, value: filter[name] || '' }));
  const faults = el('div', {}, missing(summary, list)), destinations = el('div', { id: 'destinations' }, destinationTable(summary));
  const messages = el('div', { id: 'messages' }, messageTable(place, list, filter));
  show(place, el('h2', {}, 'Queue'), faults, destinations, el('form', { class: 'bar', onsubmit: event => {
    event.preventDefault();
    openQueue(place, '', Object.fromEntries(fields.filter(f => f.value).map(f => [f.name, f.value])));
  } }, fields, el('button', {}, 'Filter')), messages);
  let shown = JSON.stringify(summary), listed = JSON.stringify(list);
  // The list is asked for only when the summary has changed.
  watch('queue', { queue: async now => {
    const said = JSON.stringify(now);
    if (said === shown) return;
    shown = said;
    redraw(destinations, destinationTable(now));
    let again;
    try { again = await api('GET', path); } catch { return; }
    if (!isCurrent() || JSON.stringify(again) === listed) return;
    listed = JSON.stringify(again);
    show(faults, missing(now, again));
    redraw(messages, messageTable(place, again, filter));
  } });
}

// ---- Processes ----

const HISTORY_MS = 15000;

function connections(process) {
  return Object.entries(process.connections || {}).map(([name, count]) => `${name} ${count}`).join(', ');
}

// The settings that most processes run.
function usualVersion(processes) {
  const counts = new Map();
  for (const p of processes) counts.set(p.settings_version, (counts.get(p.settings_version) || 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).map(c => c[0])[0];
}

function processTable(status) {
  const usual = usualVersion(status.processes);
  return table([['Process', p => text(p.id)], ['Host', p => text(p.host)],
    ['Heartbeat', p => `${(Math.max(0, p.heartbeat_age_ms) / 1000).toFixed(1)} s ago`],
    ['Settings', p => p.settings_version === usual ? text(p.settings_version) : el('span', { class: 'fault' }, text(p.settings_version), ' differs')],
    ['Connections', connections],
    ['Bodies', p => p.blobs ? el('span', { class: p.blobs.state === 'ok' ? '' : 'fault' }, [p.blobs.state, p.blobs.problem].filter(Boolean).join(': ')) : ''],
    ['State', p => p.draining ? 'ending' : '']],
  [...status.processes].sort((a, b) => String(a.id).localeCompare(String(b.id))), 'No processes.');
}

function facts(object) {
  return table([['', r => r[0].replaceAll('_', ' ')], ['', r => text(r[1])]], Object.entries(object || {}), 'Nothing is known.');
}

const SERIES = { 'in': 'accepted', delivered: 'delivered', deferred: 'deferred' };

function plots({ minutes }) {
  const times = minutes.map(m => m.time), of = name => minutes.map(m => m[name]);
  const sum = name => of(name).reduce((a, b) => a + b, 0);
  const queue = of('queue'), last = queue.filter(q => q !== undefined).at(-1);
  return [
    el('p', { class: 'legend' }, Object.entries(SERIES).map(([name, title]) => el('span', { class: name }, `${title} ${sum(name)}`))),
    chart('Messages a minute in the last hour: ' + Object.entries(SERIES).map(([n, t]) => `${sum(n)} ${t}`).join(', '), times,
      Object.keys(SERIES).map(name => [name, of(name)])),
    el('p', { class: 'legend' }, el('span', { class: 'queue' }, `in the queue ${last ?? 'unknown'}`)),
    chart(`Messages in the queue in the last hour; now ${last ?? 'unknown'}`, times, [['queue', queue]]),
  ];
}

export async function openProcesses(place) {
  const isCurrent = begin();
  let [status, history, ordered] = await Promise.all([asked('status'), asked('history'), asked('certificates')]);
  if (!status || !history || !ordered || !isCurrent()) return;
  const parts = Object.fromEntries(['processes', 'certificates', 'store', 'counts', 'plots'].map(name => [name, el('div', { id: name + '-now' })]));
  const draw = now => {
    redraw(parts.processes, processTable(now));
    redraw(parts.certificates, certificates(now.processes, ordered.certificates));
    redraw(parts.store, facts(now.store));
    redraw(parts.counts, facts(now.queue));
  };
  draw(status);
  show(parts.plots, plots(history));
  show(place, el('h2', {}, 'Processes'), (status.warnings || []).map(w => el('p', { class: 'fault' }, text(w.text ?? w))),
    parts.processes, el('h2', {}, 'The last hour'), parts.plots, el('h2', {}, 'Certificates'), parts.certificates, el('h2', {}, 'Store'), parts.store, el('h2', {}, 'Queue'), parts.counts);
  const timer = setInterval(async () => {
    try { [history, ordered] = await Promise.all(['history', 'certificates'].map(way => api('GET', way))); } catch { return; }
    if (isCurrent()) show(parts.plots, plots(history));
  }, HISTORY_MS);
  onLeave(() => clearInterval(timer));
  watch('status', { status: draw });
}
