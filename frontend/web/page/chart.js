// A plot of values by time, as SVG.

const WIDTH = 640, HEIGHT = 130, LEFT = 44, BOTTOM = 18, TOP = 8;

function svg(name, properties = {}, ...children) {
  const e = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(properties)) e.setAttribute(key, value);
  e.append(...children.map(c => c instanceof Node ? c : document.createTextNode(String(c))));
  return e;
}

// 1, 2, 5, 10, 20, 50, ...
function roundUp(value) {
  const ten = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map(n => n * ten).find(n => n >= value) || 1;
}

// Values that are missing leave a hole.
function path(values, x, y) {
  let out = '', pen = 'M';
  values.forEach((value, i) => {
    if (value === undefined || value === null) { pen = 'M'; return; }
    out += `${pen}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = 'L';
  });
  return out;
}

// series: [class and name, values]
export function chart(label, times, series) {
  const top = roundUp(Math.max(1, ...series.flatMap(([, values]) => values.filter(v => v != null))));
  const x = i => LEFT + i * (WIDTH - LEFT - 4) / Math.max(1, times.length - 1);
  const y = value => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  const ticks = [0, Math.floor((times.length - 1) / 2), times.length - 1];
  const hour = time => new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  return svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'chart', role: 'img', 'aria-label': label },
    svg('title', {}, label),
    ...[0, top / 2, top].map(v => svg('line', { class: 'grid', x1: LEFT, x2: WIDTH - 4, y1: y(v), y2: y(v) })),
    ...[0, top].map(v => svg('text', { x: LEFT - 6, y: y(v) + 4, 'text-anchor': 'end' }, v)),
    ...ticks.map((i, n) => svg('text', { x: x(i), y: HEIGHT - 4, 'text-anchor': ['start', 'middle', 'end'][n] }, hour(times[i]))),
    ...series.map(([name, values]) => svg('path', { class: 'line ' + name, d: path(values, x, y) })));
}
