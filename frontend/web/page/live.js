// What happens in the cluster, as it happens: one stream for the page, of what the open
// view wants. It pauses while nobody looks at the page: browsers allow few connections
// to a server, and other windows need some.
import { api, onLeave } from './ui.js';

let wanted = null;
let source = null;
let lastId = '';
let timer;

function tell(text) {
  document.getElementById('live').textContent = text;
}

function close() {
  clearTimeout(timer);
  if (source) source.close();
  source = null;
}

// The browser comes back by itself if the connection breaks, but not if it is refused.
async function onError(failed) {
  if (failed !== source) return;
  tell('Not live');
  if (failed.readyState !== EventSource.CLOSED) return;
  close();
  try {
    await api('GET', 'session');
  } catch (e) {
    if (e.status === 401) {
      window.dispatchEvent(new Event('logged-out'));
      return;
    }
  }
  if (wanted && !source) timer = setTimeout(open, 5000);
}

function open() {
  close();
  if (!wanted || document.hidden) return;
  const query = new URLSearchParams({ topics: wanted.topics, ...wanted.filters });
  if (lastId) query.set('after', lastId);
  const mine = new EventSource('/api/v1/live?' + query);
  source = mine;
  for (const [name, handle] of Object.entries(wanted.on))
    mine.addEventListener(name, event => {
      lastId = event.lastEventId || lastId;
      if (mine === source) handle(JSON.parse(event.data));
    });
  mine.addEventListener('hello', () => { if (mine === source) tell('Live'); });
  mine.onerror = () => onError(mine);
}

// topics: of the API. on: what to call with each message, by its name. Ends with the view.
export function watch(topics, on, filters = {}) {
  wanted = { topics, on, filters };
  lastId = '';
  onLeave(() => {
    wanted = null;
    close();
    tell('');
  });
  open();
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) {
    close();
    if (wanted) tell('Paused');
  } else if (wanted && !source) {
    open();
  }
});
