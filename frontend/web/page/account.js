// One's own account: password, second factor, app passwords, tokens, remote accounts, sessions.
import { ask, form, line, select, when } from './forms.js';
import { photoSection } from './photo.js';
import { remoteAccounts } from './remote.js';
import { api, begin, el, note, setToken, show, table } from './ui.js';

// What is shown once stays until the user says that he has it.
function showOnce(place, title, texts, help) {
  show(place, el('h2', {}, title), el('p', {}, help), el('pre', { class: 'secret', id: 'secret' }, texts.join('\n')),
    el('div', { class: 'bar' },
      el('button', { id: 'copy', onclick: async () => {
        try { await navigator.clipboard.writeText(texts.join('\n')); note('Copied.', 'good'); } catch { note('Select and copy it by hand.', 'bad'); }
      } }, 'Copy'),
      el('button', { class: 'first', id: 'done', onclick: () => openAccount(place) }, 'I have saved it')));
}

// ---- The password ----

function passwordForm(place) {
  return form('change-password', 'Password', [
    line('old', 'Current password', { type: 'password', autocomplete: 'current-password' }),
    line('new', 'New password', { type: 'password', autocomplete: 'new-password' }),
    line('again', 'New password, again', { type: 'password', autocomplete: 'new-password' })], 'Change password', async all => {
    if (all.new.value !== all.again.value) {
      document.getElementById('account-again-fault').textContent = 'the two passwords differ';
      return;
    }
    setToken((await api('PUT', 'account/password', { old: all.old.value, new: all.new.value })).token);
    await openAccount(place);
    note('The password is changed. All other sessions have ended.', 'good');
  });
}

// ---- The second factor ----

const SVG = 'http://www.w3.org/2000/svg';

function qr(rows) {
  const size = rows.length + 8; // with the quiet zone of four
  const svg = document.createElementNS(SVG, 'svg');
  const dark = document.createElementNS(SVG, 'path');
  svg.setAttribute('viewBox', `0 0 ${size} ${size}`);
  svg.setAttribute('class', 'qr');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', 'QR code of the secret');
  dark.setAttribute('d', rows.map((row, y) => [...row].map((c, x) => c === '1' ? `M${x + 4} ${y + 4}h1v1h-1z` : '').join('')).join(''));
  svg.append(dark);
  return svg;
}

function showTotp(place, begun) {
  show(place, el('h2', {}, 'A second factor'),
    el('p', {}, 'Scan this with an authenticator app, or type the secret into it. Then enter the code that it shows.'),
    qr(begun.qr), el('pre', { id: 'totp-secret' }, begun.secret),
    form('confirm-totp', '', [line('code', 'Code', { inputmode: 'numeric', autocomplete: 'one-time-code' })], 'Turn it on', async all => {
      const answer = await api('POST', 'account/totp/confirm', { code: all.code.value });
      setToken(answer.token);
      showOnce(place, 'Recovery codes', answer.recovery_codes,
        'The second factor is on. If you lose the app, each of these codes lets you log in once. They are not shown again.');
    }), el('div', { class: 'bar' }, el('button', { onclick: () => openAccount(place) }, 'Not now')));
}

function totpForm(place, me) {
  if (!me.second_factor && !me.second_factor_possible)
    return [el('h3', {}, 'Second factor'), el('p', {}, 'Not available: this server has no STAGEPOST_SECRET_KEY.')];
  return form(me.second_factor ? 'disable-totp' : 'begin-totp', 'Second factor', [
    el('p', {}, me.second_factor ? 'It is on: a login here needs a code, and mail clients need app passwords.'
      : 'A code from an authenticator app at each login here. Mail clients then need app passwords.'),
    line('password', 'Your password', { type: 'password', autocomplete: 'current-password' })],
  me.second_factor ? 'Turn it off' : 'Set it up', async all => {
    if (!me.second_factor) {
      showTotp(place, await api('POST', 'account/totp', { password: all.password.value }));
      return;
    }
    setToken((await api('POST', 'account/totp/disable', { password: all.password.value })).token);
    await openAccount(place);
  });
}

// ---- App passwords and tokens ----

const LIFETIMES = [['Never', 0], ['In 30 days', 30], ['In 90 days', 90], ['In a year', 365]];
const ROLES = ['user', 'domain_admin', 'system_admin'];

function credentials(place, me, kind) {
  const isToken = kind.path === 'tokens';
  const remove = c => el('button', { 'aria-label': `Delete: ${c.name}`, onclick: () => {
    if (confirm(`Delete "${c.name}"? What uses it cannot log in any more.`))
      ask('DELETE', `account/${kind.path}/${c.id}`, () => openAccount(place));
  } }, 'Delete');
  return el('section', { id: kind.path }, el('h3', {}, kind.title), el('p', {}, kind.help),
    table([['Name', c => c.name], ...isToken ? [['Role', c => c.role]] : [], ['Made', c => when(c.created_ms)],
      ['Ends', c => when(c.expires_ms)], ['Last used', c => when(c.last_used_ms)], ['', remove]], kind.list, 'None.'),
    form('add-' + kind.path, '', [line(`${kind.path}-name`, 'Name', { placeholder: kind.example, maxlength: 100 }),
      isToken ? select('role', 'Role', ROLES.slice(0, ROLES.indexOf(me.role) + 1).map(r => [r, r])) : null,
      select(`${kind.path}-ends`, 'Ends', LIFETIMES)], kind.button, async all => {
      const days = Number(all[`${kind.path}-ends`].value);
      const made = await api('POST', `account/${kind.path}`, { name: all[`${kind.path}-name`].value,
        ...isToken ? { role: all.role.value } : {}, ...days ? { expires_ms: Date.now() + days * 86400000 } : {} });
      showOnce(place, kind.made, [made.secret], `"${made.name}" is shown here and never again.`);
    }));
}

// ---- Sessions ----

function sessions(place, list) {
  const end = s => s.current ? 'this one' : el('button', { onclick: () => ask('DELETE', `account/sessions/${s.id}`, () => openAccount(place)) }, 'End');
  return el('section', { id: 'sessions' }, el('h3', {}, 'Sessions'),
    table([['Since', s => when(s.created_ms)], ['Last used', s => when(s.last_used_ms)], ['From', s => s.from], ['Browser', s => s.agent], ['', end]],
      list, 'None.'),
    el('div', { class: 'bar' }, el('button', { id: 'end-others', onclick: () => ask('DELETE', 'account/sessions', () => openAccount(place)) },
      'End all others')));
}

export async function openAccount(place) {
  const isCurrent = begin();
  let me, apps, tokens, mine, remote;
  try {
    [me, apps, tokens, mine, remote] = await Promise.all(['', '/app-passwords', '/tokens', '/sessions', '/remote-accounts'].map(p => api('GET', 'account' + p)));
  } catch (e) {
    note(e.message, 'bad');
    return;
  }
  if (!isCurrent()) return;
  const mib = n => `${(n / 1048576).toFixed(1)} MiB`;
  show(place, el('h2', {}, 'My account'),
    el('p', { id: 'about-me' }, `${me.display_name ? me.display_name + ', ' : ''}${me.address}: ${me.messages} messages, ${mib(me.used_bytes)}`,
      me.quota ? ` of ${mib(me.quota)}` : '', '.'),
    photoSection(`domains/${encodeURIComponent(me.address.slice(me.address.lastIndexOf('@') + 1))}/users/${encodeURIComponent(me.address)}`,
      me.address, Boolean(me.photo), () => openAccount(place)),
    credentials(place, me, { path: 'app-passwords', list: apps.app_passwords, title: 'App passwords', button: 'Make an app password',
      made: 'Your new app password', example: 'phone', help: 'A password of its own for each mail client. They work for mail only, and stay when you change the main one.' }),
    passwordForm(place), totpForm(place, me),
    credentials(place, me, { path: 'tokens', list: tokens.tokens, title: 'Tokens', button: 'Make a token', made: 'Your new token',
      example: 'nightly job', help: 'For scripts that use the API: Authorization: Bearer TOKEN.' }),
    remoteAccounts(place, remote.remote_accounts, me.second_factor_possible, openAccount),
    sessions(place, mine.sessions));
}
