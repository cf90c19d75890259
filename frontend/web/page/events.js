// What happens to messages, as it happens.
import { begin, el, show } from './ui.js';
import { showMessage } from './cluster.js';
import { watch } from './live.js';

const SHOWN = 300;
const KINDS = ['accepted', 'checked', 'unchecked', 'delivered', 'deferred', 'postponed', 'bounced', 'expired', 'reported',
  'held', 'released'];

function line(place, event) {
  const time = new Date(event.time);
  return el('tr', {}, el('td', { class: 'short' }, Number.isNaN(time.getTime()) ? '' : time.toLocaleTimeString()),
    el('td', { class: 'short' }, event.event),
    el('td', {}, event.sender || ''), el('td', {}, event.recipient || ''),
    el('td', {}, [event.code, event.text].filter(Boolean).join(' ')), el('td', { class: 'short' }, event.id ? el('button', { onclick: () => showMessage(place, event.id) }, event.id) : null));
}

export function openEvents(place, filters = {}) {
  begin();
  const body = el('tbody', { id: 'events' });
  let paused = false, missed = 0;
  const add = row => {
    if (paused) {
      missed++;
      pause.textContent = `Resume (${missed} new)`;
      return;
    }
    body.prepend(row);
    while (body.children.length > SHOWN) body.lastChild.remove();
  };
  const note = text => add(el('tr', {}, el('td', { colspan: 6, class: 'fault' }, text)));
  const pause = el('button', { type: 'button', id: 'pause', onclick: () => {
    if (paused) { openEvents(place, filters); return; }
    paused = true;
    pause.textContent = 'Resume';
  } }, 'Pause');
  const kind = el('select', { id: 'events-kind', 'aria-label': 'kind of event' }, el('option', { value: '' }, 'all kinds'),
    KINDS.map(k => el('option', { value: k }, k)));
  kind.value = filters.event || '';
  const text = el('input', { id: 'events-text', placeholder: 'contains', 'aria-label': 'the event contains', value: filters.text || '' });
  show(place, el('h2', {}, 'Events'), el('form', { class: 'bar', onsubmit: event => {
    event.preventDefault();
    openEvents(place, Object.fromEntries([['event', kind.value], ['text', text.value.trim()]].filter(f => f[1])));
  } }, kind, text, el('button', {}, 'Filter'), pause),
    el('p', {}, 'The newest come first; those of the last five minutes are there already.'),
    el('div', { class: 'scroll' }, el('table', {}, el('thead', {}, el('tr', {},
      ['Time', 'Event', 'Sender', 'Recipient', 'Answer', 'Message'].map(t => el('th', { scope: 'col' }, t)))), body)));
  watch('events', {
    event: e => add(line(place, e)),
    left_out: m => note(`${m.count} events are not shown: there were too many at once.`),
    gap: () => note('Events are missing here: they were no longer kept.'),
  }, { ...filters, since: '300' });
}
