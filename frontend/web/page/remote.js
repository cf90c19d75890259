// Remote accounts: mail that is retrieved from other servers.
import { ask, form, line, select, when } from './forms.js';
import { api, el, note, table } from './ui.js';

const PATH = 'account/remote-accounts';
const KEEP = [['Keep it there', 'keep'], ['Delete it there', 'delete'], ['Delete it there after 7 days', '7d'], ['Delete it there after 30 days', '30d']];
const at = text => text ? when(Date.parse(text)) : '';

// Names of inputs are unique on the page; those of the API are without the prefix.
const member = name => 'remote-' + name;

function mine(e) {
  e.fields = Object.fromEntries(Object.entries(e.fields || {}).map(([name, text]) => [member(name), text]));
  return e;
}

function buttons(remote, again) {
  const name = `${remote.user} at ${remote.host}`;
  const order = (text, method, path, body) => el('button', { 'aria-label': `${text}: ${name}`, onclick: () => {
    if (method !== 'DELETE' || confirm(`Forget ${name}? The mail that is here stays.`))
      ask(method, `${PATH}/${remote.id}${path}`, again, body);
  } }, text);
  return [remote.enabled ? order('Now', 'POST', '/now') : null,
    order(remote.enabled ? 'Disable' : 'Enable', 'PATCH', '', { enabled: !remote.enabled }), order('Delete', 'DELETE', '')];
}

function list(remotes, again) {
  return table([['Account', r => `${r.user} at ${r.host}`], ['Protocol', r => r.protocol.toUpperCase()], ['State', r => r.state],
    ['Messages', r => r.messages], ['Last success', r => at(r.last_ok)], ['Next', r => at(r.next)], ['Trouble', r => r.last_error || ''],
    ['', r => el('span', {}, buttons(r, again))]], remotes, 'None.');
}

function addForm(again) {
  return form('add-remote', '', [
    select(member('protocol'), 'Protocol', [['IMAP', 'imap'], ['POP3', 'pop3']]),
    line(member('host'), 'Server', { placeholder: 'imap.example.org' }),
    select(member('tls'), 'Encryption', [['TLS', 'implicit'], ['STARTTLS', 'starttls'], ['None', 'none']]),
    line(member('port'), 'Port', { required: false, inputmode: 'numeric', placeholder: 'the usual one' }),
    line(member('user'), 'User name there', { autocomplete: 'off' }),
    line(member('password'), 'Password there', { type: 'password', autocomplete: 'new-password' }),
    select(member('mirror'), 'Folders', [['The inbox', ''], ['All folders (IMAP)', '1']]),
    line(member('into'), 'Into the folder', { required: false, placeholder: 'INBOX' }),
    select(member('keep'), 'When it is here', KEEP)], 'Add', async all => {
    const value = name => all[member(name)].value;
    const port = value('port').trim();
    note('Logging in there...');
    try {
      await api('POST', PATH, { protocol: value('protocol'), host: value('host').trim(), tls: value('tls'), user: value('user'),
        password: value('password'), mirror: value('mirror') !== '', into: value('into'), keep: value('keep'),
        ...port ? { port: Number(port) || 0 } : {} });
    } catch (e) {
      throw mine(e);
    }
    await again();
    note('The account is added. Its mail is on the way.', 'good');
  });
}

export function remoteAccounts(place, remotes, isPossible, open) {
  const again = () => open(place);
  return el('section', { id: 'remote-accounts' }, el('h3', {}, 'Remote accounts'),
    el('p', {}, 'Mail from your accounts elsewhere is fetched regularly.'), list(remotes, again),
    isPossible ? addForm(again) : el('p', {}, 'None can be added: this server has no STAGEPOST_SECRET_KEY.'));
}
