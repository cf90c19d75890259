// Certificates: those that the frontends use, and those that the cluster orders.
import { el, table } from './ui.js';

// What a frontend says of an ordered one has its host names; the order knows the rest.
function merge(processes, ordered) {
  const found = new Map();
  for (const c of processes.flatMap(p => p.certificates || []))
    found.set([c.ordered ? 'order' : 'file', c.name, c.ordered ? '' : c.ends].join(), c);
  for (const o of ordered) {
    const key = ['order', o.name, ''].join(), used = found.get(key) || {};
    found.set(key, { ...used, ...o, ordered: true, issuer: used.issuer || o.issuer,
      problem: [used.problem, o.problem].filter(Boolean).join('; ') });
  }
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name));
}

function state(c) {
  const words = c.state || (c.ends ? c.days_left < 0 ? 'expired' : 'in use' : 'not in use');
  const good = words === 'valid' || words === 'in use';
  return el('span', { class: good && !c.problem ? '' : 'fault' }, words, c.renewal_requested ? ', renewal requested' : '');
}

function problem(c) {
  const next = c.next_try ? `Next try ${c.next_try.slice(0, 16).replace('T', ' ')} UTC.` : '';
  return el('div', {}, c.problem ? el('div', { class: 'fault' }, c.problem) : null, next ? el('div', { class: 'soft' }, next) : null);
}

export function certificates(processes, ordered) {
  return table([['Certificate', c => c.name], ['Host names', c => (c.hosts || []).join(' ')], ['Issuer', c => c.issuer || ''],
    ['Ends', c => c.ends ? el('span', { class: c.days_left < 7 ? 'fault' : '' }, `${c.ends.slice(0, 10)} (${c.days_left} days)`) : ''],
    ['From', c => c.ordered ? 'ACME' : 'files'], ['State', state], ['Problem', problem]], merge(processes, ordered),
  'No frontend has a certificate.');
}
