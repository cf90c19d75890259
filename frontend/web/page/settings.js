// A tab of settings: a row of the API's answer is an input. A new setting of the
// server is on the page without a further line here.
import { api, begin, el, note, show } from './ui.js';
import { watch } from './live.js';

export const TITLES = { 'pop': 'POP', 'imap': 'IMAP', 'ldap': 'LDAP', 'smtp-in': 'SMTP In', 'smtp-out': 'SMTP Out',
  'xmpp': 'XMPP', 'ews': 'EWS', 'eas': 'EAS' };

// By group: the domains that have settings of their own; undefined: the group has none for domains.
const domainsOf = new Map();

function title(name) {
  return TITLES[name] || name[0].toUpperCase() + name.slice(1);
}

// Those with a title first, then every other group that the server has.
export function settingsTabs(groups) {
  const order = Object.keys(TITLES);
  const names = groups.map(g => g.name);
  for (const g of groups) domainsOf.set(g.name, g.domains);
  return [...order.filter(n => names.includes(n)), ...names.filter(n => !order.includes(n))]
    .map(name => ({ id: name, title: title(name), open: place => openGroup(place, name, '') }));
}

function input(row) {
  const common = { id: row.name, name: row.name, 'aria-describedby': row.name + '-about ' + row.name + '-fault' };
  if (!row.words)
    return el('input', { ...common, type: row.secret ? 'password' : 'text', value: row.value, autocomplete: 'off',
      spellcheck: 'false', placeholder: row.secret && row.set ? 'set, not shown' : undefined });
  const known = row.words.includes(row.value);
  const e = el('select', common, row.words.map(w => el('option', { value: w }, w)),
    known ? null : el('option', { value: row.value }, row.value));
  e.value = row.value;
  return e;
}

function drawRow(row, state) {
  const field = input(row);
  const fault = el('div', { class: 'fault', id: row.name + '-fault', role: 'alert' }, row.error || '');
  field.disabled = !!row.by;
  const mark = el('span', { class: 'mark' }, markOf(row, state));
  const elsewhere = el('div', { class: 'elsewhere', role: 'status' });
  const back = el('button', { type: 'button', disabled: !row.set || !!row.by, 'aria-label': `Back to the default: ${row.field}`,
    onclick: () => save(state, { [row.field]: null }) }, 'Default');
  const line = el('div', { class: 'row' },
    el('label', { for: row.name }, row.field, mark, row.planned ? el('span', { class: 'mark' }, 'planned: not used yet') : null,
      row.by ? el('span', { class: 'mark' }, `only a ${row.by} may change it`) : null),
    el('div', { class: 'field' }, field, back),
    el('div', { class: 'about', id: row.name + '-about' }, row.help, '. Allowed: ', row.allowed,
      row.unit ? `; a bare number is in ${row.unit}` : '', '. Default: ', row.default === '' ? 'empty' : row.default, '.'),
    elsewhere, fault);
  const entry = { row, field, fault, mark, back, elsewhere, line, first: field.value };
  // A select that is not changed by hand may tell of it by the second event alone.
  for (const kind of ['input', 'change']) field.addEventListener(kind, () => noteInput(state, entry));
  state.rows.push(entry);
  return line;
}

function noteInput(state, { line, field, first }) {
  line.classList.toggle('changed', field.value !== first);
  state.button.disabled = !Object.keys(changes(state)).length;
}

const markOf = (row, state) => row.set ? (state.domain ? 'set for this domain' : 'set') : 'default';

// What others have stored meanwhile. What is being typed stays; the other value is told
// beside it.
function takeRow(state, entry, row) {
  const old = entry.first, typed = entry.field.value !== old;
  entry.row = row;
  entry.mark.textContent = markOf(row, state);
  entry.back.disabled = !row.set || !!row.by;
  entry.fault.textContent = row.error || '';
  if (row.secret) return;
  if (row.words && ![...entry.field.options].some(o => o.value === row.value))
    entry.field.append(el('option', { value: row.value }, row.value));
  entry.first = row.value;
  if (!typed || entry.field.value === row.value) {
    entry.field.value = row.value;
    show(entry.elsewhere);
  } else if (row.value !== old) {
    show(entry.elsewhere, `Someone else has set this to "${row.value}". `, el('button', { type: 'button', onclick: () => {
      entry.field.value = row.value;
      show(entry.elsewhere);
      noteInput(state, entry);
    } }, 'Take it'));
  }
  noteInput(state, entry);
}

async function refresh(state) {
  let group;
  if (state.saving) return;
  try { group = await api('GET', state.path); } catch { return; }
  if (!state.isCurrent() || state.saving) return;
  state.version = group.version;
  for (const row of group.rows) {
    const entry = state.rows.find(r => r.row.field === row.field);
    if (entry && JSON.stringify(entry.row) !== JSON.stringify(row)) takeRow(state, entry, row);
  }
}

function watchGroup(state) {
  let known = false;
  watch('settings', {
    hello: () => { if (known) refresh(state); known = true; },
    settings: ({ hashes }) => {
      if (!hashes.length || hashes.some(h => [state.hash, state.name, 'errors'].includes(h))) refresh(state);
    },
  });
}

function changes(state) {
  const out = {};
  for (const { row, field, first } of state.rows)
    if (field.value !== first) out[row.field] = field.value;
  return out;
}

async function save(state, values) {
  for (const { fault } of state.rows) fault.textContent = '';
  state.saving = true;
  try {
    await api('PUT', state.path, values, { 'If-Match': `"${state.version}"` });
  } catch (e) {
    state.saving = false;
    tellFault(state, e);
    return;
  }
  if (!state.isCurrent()) return;
  // What is typed into other fields, and was not part of this, stays.
  const kept = Object.fromEntries(Object.entries(changes(state)).filter(([name]) => !(name in values)));
  await openGroup(state.place, state.name, state.domain, kept, state.isOwn);
  note('Saved. It is in force within a second.', 'good');
}

function tellFault(state, e) {
  let first = null;
  for (const { row, field, fault } of state.rows)
    if (e.fields[row.field]) {
      fault.textContent = e.fields[row.field];
      field.setAttribute('aria-invalid', 'true');
      first = first || field;
    }
  if (first) first.focus();
  if (e.status === 412)
    note('Someone else has changed these settings in the meantime. Nothing was saved. Open the tab again to see the changes.', 'bad');
  else
    note(e.message, 'bad');
}

function domainBar(state, domains) {
  if (!domains) return null;
  const field = el('input', { id: 'domain', value: state.domain, list: 'domains', placeholder: 'example.com',
    autocomplete: 'off', spellcheck: 'false' });
  return el('form', { class: 'bar', onsubmit: event => {
    event.preventDefault();
    openGroup(state.place, state.name, field.value.trim());
  } }, el('label', { for: 'domain' }, 'For one domain'), field, el('datalist', { id: 'domains' },
    domains.map(d => el('option', { value: d }))), el('button', {}, 'Show'),
    state.domain ? el('button', { type: 'button', onclick: () => openGroup(state.place, state.name, '') }, 'All domains') : null);
}

// isOwn: by the way of those who administer that domain alone.
async function openGroup(place, name, domain, kept = {}, isOwn = false) {
  const path = isOwn ? `domains/${encodeURIComponent(domain)}/settings/${encodeURIComponent(name)}`
    : 'settings/' + encodeURIComponent(domain ? `${name}:${domain}` : name);
  const isCurrent = begin();
  let group;
  try {
    group = await api('GET', path);
  } catch (e) {
    note(e.message, 'bad');
    return;
  }
  if (!isCurrent()) return;
  const hash = group.domain ? `${name}:${group.domain}` : name; // of the store
  const state = { place, name, domain: group.domain || '', hash, path, isOwn, version: group.version, isCurrent, rows: [] };
  state.button = el('button', { class: 'first', id: 'save', disabled: true }, 'Save');
  const rows = group.rows.map(row => drawRow(row, state));
  show(place, el('h2', {}, title(name), state.domain ? ` for ${state.domain}` : ''), el('p', {}, group.help, '.'),
    isOwn ? null : domainBar(state, domainsOf.get(name)),
    el('form', { id: 'settings', novalidate: true, onsubmit: event => {
      event.preventDefault();
      save(state, changes(state));
    } }, rows, el('div', { class: 'bar save' }, state.button)));
  for (const line of state.rows)
    if (line.row.field in kept) {
      line.field.value = kept[line.row.field];
      line.field.dispatchEvent(new Event('input'));
    }
  if (state.path.startsWith('settings/')) watchGroup(state); // the stream is not for a domain's administrator
}

// Within the view of a domain.
export const openDomainGroup = (place, name, domain) => openGroup(place, name, domain, {}, true);
