// Domains and what is in them: users, aliases, DKIM keys, DNS records, their own settings.
import { api, begin, el, note, show, table } from './ui.js';
import { photoSection } from './photo.js';
import { openDomainGroup } from './settings.js';

const PAGE = 50;
let me = { address: '', role: 'user' };

const isChief = () => me.role === 'system_admin';
const path = (...pieces) => pieces.map(encodeURIComponent).join('/');
const date = ms => ms ? new Date(ms).toISOString().slice(0, 10) : '';

function bytes(count) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  for (; count >= 1024 && i < units.length - 1; i++) count /= 1024;
  return `${i && count < 10 ? count.toFixed(1) : Math.round(count)} ${units[i]}`;
}

// "1536M": a size that the server understands, and that says the same.
function size(count) {
  const units = ['', 'K', 'M', 'G', 'T'];
  let i = 0;
  for (; count && count % 1024 === 0 && i < units.length - 1; i++) count /= 1024;
  return count + units[i];
}

async function get(way) {
  try {
    return await api('GET', way);
  } catch (e) {
    note(e.message, 'bad');
    return null;
  }
}

// ---- Forms ----

// A line of a form: its input, a label that is bound to it, help, and room for what is wrong.
function line(name, label, input, help = '') {
  input.id = 'f-' + name;
  input.name = name;
  input.setAttribute('aria-describedby', `f-${name}-about f-${name}-fault`);
  return el('div', { class: 'row' }, el('label', { for: input.id }, label), el('div', { class: 'field' }, input),
    el('div', { class: 'about', id: input.id + '-about' }, help), el('div', { class: 'fault', id: input.id + '-fault', role: 'alert' }));
}

const input = (value = '', more = {}) => el('input', { value, autocomplete: 'off', spellcheck: 'false', ...more });
const tick = (checked, more = {}) => el('input', { type: 'checkbox', checked, ...more });

// What is wrong with a member stands beside its input.
function tell(form, e) {
  let first = null;
  for (const place of form.querySelectorAll('.fault')) place.textContent = '';
  for (const [name, text] of Object.entries(e.fields)) {
    const field = form.elements[name];
    if (!field) continue;
    document.getElementById(field.id + '-fault').textContent = text;
    field.setAttribute('aria-invalid', 'true');
    first = first || field;
  }
  if (first?.closest('details')) first.closest('details').open = true;
  if (first) first.focus();
  note(e.status === 412 ? 'Someone else has changed this in the meantime. Nothing was saved. Open it again to see the changes.'
    : e.message, 'bad');
}

// send() asks the server; then done() draws what is so now.
function form(id, button, lines, send, done) {
  const save = el('button', { class: 'first', id: id + '-go' }, button);
  return el('form', { id, novalidate: true, onsubmit: async event => {
    event.preventDefault();
    save.disabled = true;
    try {
      await send(event.target.elements);
    } catch (e) {
      if (e.status === undefined) throw e;
      save.disabled = false;
      tell(event.target, e);
      return;
    }
    await done();
    note('Done.', 'good');
  } }, lines, el('div', { class: 'bar' }, save));
}

// An order without a form.
async function order(method, way, done) {
  try {
    await api(method, way);
  } catch (e) {
    note(e.message, 'bad');
    return;
  }
  await done();
  note('Done.', 'good');
}

// Whoever removes something types its name.
function removal(what, name, warning, remove) {
  const field = input();
  const button = el('button', { class: 'danger', id: 'remove', disabled: true }, 'Remove ' + what);
  field.addEventListener('input', () => { button.disabled = field.value.trim() !== name; });
  return el('details', { id: 'removal' }, el('summary', {}, 'Remove this ' + what),
    el('form', { novalidate: true, onsubmit: event => {
      event.preventDefault();
      if (field.value.trim() === name) remove();
    } }, el('p', {}, warning), line('confirm', `Type ${name} to confirm`, field), el('div', { class: 'bar' }, button)));
}

function searchBar(label, query, open) {
  const field = input(query, { id: 'query', 'aria-label': label, placeholder: label, type: 'search' });
  return el('form', { class: 'bar', role: 'search', onsubmit: event => {
    event.preventDefault();
    open(field.value.trim());
  } }, field, el('button', {}, 'Search'));
}

function pages(answer, after, open) {
  return el('div', { class: 'bar' }, after ? el('button', { id: 'first', onclick: () => open('') }, 'First page') : null,
    answer.next ? el('button', { id: 'next', onclick: () => open(answer.next) }, 'Next page') : null);
}

// ---- Domains ----

async function openDomains(place, query = '', after = '') {
  const isCurrent = begin();
  const answer = await get('domains?' + new URLSearchParams({ limit: PAGE, query, after }));
  if (!answer || !isCurrent()) return;
  const state = d => d.deleting ? `being removed: ${d.users} users left` : d.disabled ? 'disabled' : 'in use';
  show(place, el('h2', {}, 'Domains'), searchBar('Part of a domain', query, text => openDomains(place, text)),
    table([['Domain', d => el('button', { onclick: () => openDomain(place, d.name, 'users') }, d.name)], ['Users', d => d.users],
      ['Aliases', d => d.aliases], ['State', state], ['Added', d => date(d.created_ms)]], answer.domains, 'No domains.'),
    pages(answer, after, next => openDomains(place, query, next)), el('h3', {}, 'Add a domain'),
    form('add', 'Add domain', [line('name', 'Domain', input('', { placeholder: 'example.com' })),
      line('max_users', 'Most users', input('0', { inputmode: 'numeric' }), 'How many it may have. 0: no limit.')],
    f => api('POST', 'domains', { name: f.name.value.trim(), max_users: count(f.max_users) }), () => openDomains(place, query)));
}

// What is no number goes to the server as it is, which says what is wrong with it.
const count = field => /^\d+$/.test(field.value.trim()) ? Number(field.value) : field.value;

const SECTIONS = { users: ['Users', openUsers], aliases: ['Aliases', openAliases], dkim: ['DKIM keys', openKeys],
  dns: ['DNS records', openRecords], settings: ['Settings', openSettings], domain: ['Domain', openDomainForm] };

function openDomain(place, domain, section) {
  return SECTIONS[section][1](place, domain);
}

// The head of every view of a domain.
function head(place, domain, section) {
  return [el('h2', {}, domain), el('div', { class: 'bar', role: 'group', 'aria-label': 'Parts of the domain' },
    isChief() ? el('button', { id: 'to-domains', onclick: () => openDomains(place) }, 'All domains') : null,
    Object.entries(SECTIONS).map(([id, [title]]) => el('button', { 'data-section': id, 'aria-pressed': String(id === section),
      onclick: () => openDomain(place, domain, id) }, title)))];
}

async function openDomainForm(place, domain) {
  const isCurrent = begin();
  const d = await get(path('domains', domain));
  if (!d || !isCurrent()) return;
  const lines = [line('catch_all', 'Catch-all', input(d.catch_all, { type: 'email' }),
    'Who gets mail for addresses that do not exist. Empty: such mail is refused.')];
  if (isChief()) lines.push(line('max_users', 'Most users', input(d.max_users, { inputmode: 'numeric' }), '0: no limit.'),
    line('admins', 'Administrators', input(d.admins), 'Users of this domain, separated by spaces.'),
    line('disabled', 'Disabled', tick(d.disabled), 'It accepts no mail, and its users cannot log in.'));
  show(place, head(place, domain, 'domain'), d.deleting ? el('p', { class: 'fault' },
    `This domain is being removed: ${d.users} users are left. If their number does not fall, remove it again.`) : null,
  form('edit', 'Save', lines, f => {
    const body = { catch_all: f.catch_all.value.trim() };
    if (isChief()) {
      // Administrators are only named if they are changed: each is checked.
      if (f.admins.value.trim() !== d.admins) body.admins = f.admins.value.trim();
      Object.assign(body, { max_users: count(f.max_users), disabled: f.disabled.checked });
    }
    return api('PATCH', path('domains', domain), body, { 'If-Match': `"${d.version}"` });
  }, () => openDomainForm(place, domain)),
  isChief() ? removal('domain', domain, `${d.users} users with all their mail, and ${d.aliases} aliases, are removed with it. ` +
    'This cannot be undone.', () => order('DELETE', path('domains', domain) + '?force=true', () => openDomains(place))) : null);
}

// ---- Users ----

const usage = u => `${bytes(u.used_bytes)} of ${u.quota ? bytes(u.quota) : 'no limit'}`;

async function openUsers(place, domain, query = '', after = '') {
  const isCurrent = begin();
  const answer = await get(path('domains', domain, 'users') + '?' + new URLSearchParams({ limit: PAGE, query, after }));
  if (!answer || !isCurrent()) return;
  show(place, head(place, domain, 'users'), searchBar('Part of an address', query, text => openUsers(place, domain, text)),
    table([['Address', u => el('button', { onclick: () => openUser(place, domain, u.address) }, u.address)],
      ['Name', u => u.display_name], ['Usage', usage], ['Roles', u => u.roles],
      ['State', u => u.enabled ? u.has_password ? 'in use' : 'no password' : 'disabled']], answer.users, 'No users.'),
    pages(answer, after, next => openUsers(place, domain, query, next)), el('h3', {}, 'Add a user'),
    form('add', 'Add user', [line('address', 'Address', input('', { placeholder: 'name@' + domain })),
      line('display_name', 'Name', input()),
      line('password', 'Password', input('', { type: 'password', autocomplete: 'new-password' }), 'Empty: nobody can log in yet.'),
      line('quota', 'Quota', input(), 'Such as 500M or 2G; 0: no limit; empty: the default.')],
    f => {
      const address = f.address.value.trim();
      const body = { address: address.includes('@') ? address : `${address}@${domain}`, display_name: f.display_name.value.trim(),
        quota: f.quota.value.trim() };
      if (f.password.value) body.password = f.password.value;
      return api('POST', path('domains', domain, 'users'), body);
    }, () => openUsers(place, domain, query)));
}

// What the domain's address book says of him.
const PERSON = { given_name: 'First name', surname: 'Family name', title: 'Title', department: 'Department', company: 'Company',
  phone: 'Telephone', mobile: 'Mobile', home_phone: 'Telephone at home', fax: 'Fax', pager: 'Pager', street: 'Street',
  city: 'City', state: 'State or province', postal_code: 'Postal code', country: 'Country', url: 'Web page', notes: 'Notes' };

function personLines(user) {
  return el('details', { id: 'person' }, el('summary', {}, 'Address book'),
    line('book', 'Shown', tick(user.book), 'Off: the address book of the domain hides this account.'),
    Object.entries(PERSON).map(([name, label]) => line(name, label, input(user[name], { maxlength: 200 }))));
}

// Only what has been changed.
function personChanges(user, fields) {
  const changed = Object.keys(PERSON).filter(name => fields[name].value.trim() !== (user[name] || ''));
  const body = Object.fromEntries(changed.map(name => [name, fields[name].value.trim()]));
  return fields.book.checked === user.book ? body : { ...body, book: fields.book.checked };
}

function roleLines(user) {
  const has = role => user.roles.split(' ').includes(role);
  return [line('domain_admin', 'Administers the domain', tick(has('domain_admin')), 'Its users, aliases, keys and settings.'),
    isChief() ? line('system_admin', 'Administers everything', tick(has('system_admin')), 'All domains, the settings and the queue.') : null];
}

async function openUser(place, domain, address) {
  const isCurrent = begin();
  const way = path('domains', domain, 'users', address);
  const u = await get(way);
  if (!u || !isCurrent()) return;
  const again = () => openUser(place, domain, address);
  // The server refuses it in any case.
  const isAbove = u.roles.split(' ').includes('system_admin') && !isChief();
  show(place, head(place, domain, 'users'), el('h3', {}, u.address),
    el('p', {}, `${usage(u)}, ${u.messages} messages. Added ${date(u.created_ms)}.`),
    isAbove ? el('p', {}, 'This account administers the whole server: it cannot be changed here.') : [
      form('edit', 'Save', [line('display_name', 'Name', input(u.display_name)),
        line('quota', 'Quota', input(u.own_quota ? size(u.quota) : ''), 'Such as 500M or 2G; 0: no limit; empty: the default.'),
        line('enabled', 'Enabled', tick(u.enabled), 'Otherwise it cannot log in, and its mail is refused.'), ...roleLines(u), personLines(u)],
      f => api('PATCH', way, { ...personChanges(u, f), display_name: f.display_name.value.trim(), quota: f.quota.value.trim(), enabled: f.enabled.checked,
        roles: ['domain_admin', 'system_admin'].filter(r => f[r] && f[r].checked).join(' ') },
      { 'If-Match': `"${u.version}"` }), again),
      photoSection(way, u.address, Boolean(u.photo), again),
      el('h3', {}, 'New password'),
      u.address === me.address ? el('p', {}, 'You change your own password under My account.') : form('passwd', 'Change password', [line('password', 'Password', input('', { type: 'password', autocomplete: 'new-password' }),
        'It takes effect at once, and ends the sessions of this user.')],
      f => api('PUT', way + '/password', { password: f.password.value }), again),
      removal('user', u.address, `The mailbox and its ${u.messages} messages are removed with it. This cannot be undone.`,
        () => order('DELETE', way, () => openUsers(place, domain)))]);
}

// ---- Aliases ----

async function openAliases(place, domain, query = '', after = '') {
  const isCurrent = begin();
  const way = path('domains', domain, 'aliases');
  const answer = await get(way + '?' + new URLSearchParams({ limit: PAGE, query, after }));
  if (!answer || !isCurrent()) return;
  const again = () => openAliases(place, domain, query, after);
  const targets = a => a.targets.map(t => el('div', { class: 'bar' }, el('span', {}, t), el('button',
    { 'aria-label': `Remove the target ${t} of ${a.address}`, onclick: () =>
      confirm(a.targets.length > 1 ? `Remove ${t} from ${a.address}?` : `Remove ${t}, and with it the alias ${a.address}?`) &&
      order('DELETE', `${way}/${path(a.address, 'targets', t)}`, again) }, 'Remove')));
  show(place, head(place, domain, 'aliases'), searchBar('Part of an address', query, text => openAliases(place, domain, text)),
    table([['Alias', a => a.address], ['Leads to', a => el('div', {}, targets(a))], ['', a => el('button', {
      'aria-label': `Remove the alias ${a.address}`, onclick: () => confirm(`Remove the alias ${a.address}?`) &&
        order('DELETE', `${way}/${path(a.address)}`, again) }, 'Remove alias')]], answer.aliases, 'No aliases.'),
    pages(answer, after, next => openAliases(place, domain, query, next)), el('h3', {}, 'Add an alias, or targets to one'),
    form('add', 'Add', [line('address', 'Alias', input('', { placeholder: 'name@' + domain })),
      line('targets', 'Leads to', input(), 'One address or more, separated by spaces.')],
    f => {
      const address = f.address.value.trim();
      return api('POST', way, { address: address.includes('@') ? address : `${address}@${domain}`,
        targets: f.targets.value.split(/[\s,]+/).filter(t => t) });
    }, again));
}

// ---- DKIM keys ----

async function openKeys(place, domain) {
  const isCurrent = begin();
  const way = path('domains', domain, 'dkim');
  const answer = await get(way);
  if (!answer || !isCurrent()) return;
  const again = () => openKeys(place, domain);
  const orders = k => el('div', { class: 'bar' },
    k.state !== 'active' ? el('button', { 'aria-label': `Sign by ${k.selector}`, onclick: () =>
      order('POST', `${way}/${path(k.selector)}/activate`, again) }, 'Sign by it') : null,
    el('button', { 'aria-label': `Remove the key ${k.selector}`, onclick: () => confirm(`Remove the key ${k.selector}? ` +
      'Mail that it has signed can no longer be verified once its record is gone.') &&
      order('DELETE', `${way}/${path(k.selector)}`, again) }, 'Remove'));
  show(place, head(place, domain, 'dkim'),
    table([['Selector', k => k.selector], ['Kind', k => k.algorithm], ['State', k => k.state], ['Made', k => date(k.created_ms)],
      ['', orders]], answer.keys, 'No keys: mail of this domain is not signed.'),
    answer.keys.map(k => [el('h3', {}, 'Record to publish: ', k.selector), el('pre', {}, k.zone_line)]).flat(),
    el('h3', {}, 'Make a key'),
    form('add', 'Make key', [line('selector', 'Selector', input(), 'Empty: one made from the date.'),
      line('algorithm', 'Kind', el('select', {}, ['rsa', 'ed25519'].map(a => el('option', { value: a }, a)))),
      line('active', 'Sign at once', tick(false), 'Off: publish its record first, and activate it later.')],
    f => {
      const body = { algorithm: f.algorithm.value, active: f.active.checked };
      if (f.selector.value.trim()) body.selector = f.selector.value.trim();
      return api('POST', way, body);
    }, again));
}

// ---- DNS records ----

async function openRecords(place, domain, check = false) {
  const isCurrent = begin();
  if (check) note('Asking DNS ...');
  const answer = await get(path('domains', domain, 'dns') + (check ? '?check=true' : ''));
  if (!answer || !isCurrent()) return;
  const value = r => [r.value ?? r.note, r.value && r.note ? el('div', { class: 'soft' }, r.note) : null];
  const columns = [['Name', r => r.name], ['Type', r => r.type], ['Value', r => el('div', {}, value(r))]];
  if (check) columns.unshift(['State', r => el('div', { class: r.state === 'right' ? 'good' : 'fault' }, r.state,
    r.problem ? el('div', {}, r.problem) : null)]);
  show(place, head(place, domain, 'dns'), el('div', { class: 'bar' },
    el('button', { class: 'first', id: 'check', onclick: () => openRecords(place, domain, true) }, 'Check in DNS')),
  check ? el('p', { id: 'verdict' }, answer.good ? 'All records are right.' : 'Not all records are right.') : null,
  table(columns, answer.records, 'No records.'), answer.notes.map(n => el('p', { class: 'soft' }, n)));
  if (check) note('');
}

// ---- Settings of the domain ----

async function openSettings(place, domain) {
  const isCurrent = begin();
  const answer = await get(path('domains', domain, 'settings'));
  if (!answer || !isCurrent()) return;
  const inner = el('div', { id: 'group' });
  show(place, head(place, domain, 'settings'), el('div', { class: 'bar', role: 'group', 'aria-label': 'Groups of settings' },
    answer.groups.map(g => el('button', { 'data-group': g.name, onclick: () => openDomainGroup(inner, g.name, domain) }, g.name))),
  inner);
}

// A domain_admin has one domain; a user none, and no such tab.
export function accountsTab(who) {
  me = who;
  const own = who.address.slice(who.address.lastIndexOf('@') + 1);
  return { id: 'accounts', title: 'Accounts', open: place => isChief() ? openDomains(place) : openDomain(place, own, 'users') };
}
