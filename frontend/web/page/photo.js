// The photo of a user: shown, given, removed.
import { api, el, note } from './ui.js';

const SIDE = 480; // what is larger is made smaller
const QUALITIES = [0.85, 0.6, 0.3];
const LARGEST = 100 * 1024;

// No <img>: the page loads nothing but itself, and what is no picture is known at once.
async function draw(blob, side, name) {
  const picture = await createImageBitmap(blob);
  const scale = Math.min(1, side / Math.max(picture.width, picture.height));
  const canvas = el('canvas', { role: 'img', 'aria-label': name, width: Math.max(1, Math.round(picture.width * scale)),
    height: Math.max(1, Math.round(picture.height * scale)) });
  const pen = canvas.getContext('2d');
  pen.fillStyle = '#fff'; // a JPEG has nothing transparent
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas;
}

// Drawn anew, it has no place, camera or date of the file in it.
async function jpegOf(file) {
  let canvas;
  try {
    canvas = await draw(file, SIDE, '');
  } catch {
    throw new Error('this is no picture that the browser can read');
  }
  for (const quality of QUALITIES) {
    const blob = await new Promise(done => canvas.toBlob(done, 'image/jpeg', quality));
    if (blob && blob.size <= LARGEST) return blob;
  }
  throw new Error('this picture cannot be made small enough');
}

async function base64(blob) {
  let text = '';
  for (const byte of new Uint8Array(await blob.arrayBuffer())) text += String.fromCharCode(byte);
  return btoa(text);
}

async function preview(place, way, name) {
  try {
    const { photo } = await api('GET', way);
    place.replaceChildren(await draw(new Blob([Uint8Array.from(atob(photo), c => c.charCodeAt(0))]), 160, name));
  } catch (e) {
    place.textContent = e.status === undefined ? 'There is a photo, but the browser cannot show it.' : e.message;
  }
}

// way: of the user; has: is there one now? again() draws what is so then.
export function photoSection(way, name, has, again) {
  const shown = el('div', { id: 'photo-now' }, has ? '' : 'None.');
  const fault = el('div', { class: 'fault', id: 'photo-fault', role: 'alert' });
  const file = el('input', { type: 'file', id: 'photo-file', accept: 'image/*', 'aria-describedby': 'photo-about photo-fault' });
  const change = async send => {
    fault.textContent = '';
    try {
      await send();
    } catch (e) {
      fault.textContent = e.fields?.photo || e.message;
      note('The photo is as it was.', 'bad');
      return;
    }
    await again();
    note('Done.', 'good');
  };
  file.addEventListener('change', () => file.files.length && change(async () => {
    await api('PUT', way + '/photo', { photo: await base64(await jpegOf(file.files[0])) });
  }).then(() => { file.value = ''; }));
  if (has) preview(shown, way + '/photo', `Photo of ${name}`);
  return el('section', { id: 'photo' }, el('h3', {}, 'Photo'), shown,
    el('div', { class: 'row' }, el('label', { for: 'photo-file' }, has ? 'Another photo' : 'A photo'), el('div', { class: 'field' }, file),
      el('div', { class: 'about', id: 'photo-about' }, 'The address book shows it. It is made smaller if need be.'), fault),
    has ? el('div', { class: 'bar' }, el('button', { id: 'photo-remove', onclick: () => confirm(`Remove the photo of ${name}?`) &&
      change(() => api('DELETE', way + '/photo')) }, 'Remove the photo')) : null);
}
