// The page: logging in, and its tabs.
import { api, begin, el, note, setToken, show } from './ui.js';
import { settingsTabs } from './settings.js';
import { openProcesses, openQueue } from './cluster.js';
import { openEvents } from './events.js';

const main = document.getElementById('main');
const nav = document.getElementById('tabs');
const who = document.getElementById('who');

let tabs = [];

function openTab(id) {
  const tab = tabs.find(t => t.id === id) || tabs[0];
  for (const button of nav.children)
    button.setAttribute('aria-selected', button.dataset.tab === tab.id);
  if (location.hash !== '#' + tab.id) history.replaceState(null, '', '#' + tab.id);
  note('');
  tab.open(main);
}

// The arrow keys go from tab to tab.
function onKey(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const all = [...nav.children];
  if (step) all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus();
}

async function enter(me) {
  setToken(me.token);
  show(who, el('span', { id: 'me' }, me.address), el('button', { id: 'logout', onclick: leave }, 'Log out'));
  if (me.role !== 'system_admin') {
    show(nav);
    show(main, el('p', {}, 'This account may not administer the cluster. ',
      'To allow it, run: stagepost user set ADDRESS roles=system_admin'));
    return;
  }
  try {
    const { groups } = await api('GET', 'settings');
    tabs = [...settingsTabs(groups), { id: 'queue', title: 'Queue', open: place => openQueue(place) },
      { id: 'processes', title: 'Processes', open: openProcesses },
      { id: 'events', title: 'Events', open: place => openEvents(place) }];
  } catch (e) {
    note(e.message, 'bad');
    return;
  }
  show(nav, tabs.map(t => el('button', { role: 'tab', 'data-tab': t.id, onclick: () => openTab(t.id) }, t.title)));
  openTab(location.hash.slice(1));
}

async function leave() {
  try { await api('DELETE', 'session'); } catch { /* it is over in any case */ }
  login();
}

function login() {
  begin();
  setToken('');
  show(who);
  show(nav);
  const address = el('input', { id: 'address', name: 'address', type: 'email', autocomplete: 'username', required: true });
  const password = el('input', { id: 'password', name: 'password', type: 'password', autocomplete: 'current-password', required: true });
  const button = el('button', { class: 'first', id: 'login' }, 'Log in');
  show(main, el('form', { class: 'login', novalidate: true, onsubmit: async event => {
    event.preventDefault();
    button.disabled = true;
    try {
      const me = await api('POST', 'session', { address: address.value, password: password.value });
      note('');
      await enter(me);
    } catch (e) {
      note(e.message, 'bad');
      button.disabled = false;
    }
  } }, el('h2', {}, 'Log in'), el('label', { for: 'address' }, 'Address'), address,
    el('label', { for: 'password' }, 'Password'), password, button));
  address.focus();
}

nav.addEventListener('keydown', onKey);
window.addEventListener('logged-out', login);
window.addEventListener('hashchange', () => { if (tabs.length && nav.children.length) openTab(location.hash.slice(1)); });

try {
  await enter(await api('GET', 'session'));
} catch (e) {
  login();
  if (e.status !== 401) note(e.message, 'bad');
}
