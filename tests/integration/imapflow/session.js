// Two imapflow clients, each at another frontend, on one mailbox.
// usage: node session.js PORT PORT USER   (exits with 0 if all is as it should be)
'use strict';

const assert = require('assert');
const { ImapFlow } = require('imapflow');

const [portA, portB, user] = process.argv.slice(2);

async function connect(port, options) {
    const client = new ImapFlow({
        host: '127.0.0.1', port: Number(port), secure: false, tls: { rejectUnauthorized: false },
        auth: { user, pass: 'secret' }, logger: false, qresync: true, ...options,
    });
    await client.connect();
    return client;
}

function event(client, name, accept) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no ${name} in 10 s`)), 10000);
        client.on(name, function on(data) {
            if (accept && !accept(data)) return;
            clearTimeout(timer);
            client.off(name, on);
            resolve(data);
        });
    });
}

async function text(stream) {
    let all = '';
    for await (const chunk of stream) all += chunk.toString();
    return all;
}

const plain = (n) => Buffer.from(`From: s@remote.example\r\nTo: ${user}\r\nSubject: number ${n}\r\n` +
    `Message-ID: <${n}@x>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n` +
    `--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n` +
    `caf=C3=A9 ${n}\r\n--b\r\nContent-Type: application/octet-stream; name=a.bin\r\n` +
    `Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.bin\r\n\r\nAAECAwQ=\r\n--b--\r\n`);

async function main() {
    const a = await connect(portA);
    const b = await connect(portB);
    assert.ok(a.capabilities.has('IDLE') && a.capabilities.has('CONDSTORE') && a.capabilities.has('QRESYNC'));
    assert.ok(a.enabled.has('CONDSTORE') || a.enabled.has('QRESYNC'));

    // Folders: special uses, made, renamed, subscribed, counted, deleted.
    const folders = await a.list();
    assert.strictEqual(folders.find((f) => f.specialUse === '\\Sent').path, 'Sent');
    await a.mailboxCreate(['Arbeit', 'Büro']);
    await b.mailboxRename(['Arbeit', 'Büro'], ['Arbeit', '日本']);
    await a.mailboxSubscribe('Arbeit/日本');
    assert.ok((await b.list()).some((f) => f.path === 'Arbeit/日本' && f.subscribed));
    assert.strictEqual((await a.status('Arbeit/日本', { messages: true, uidNext: true })).messages, 0);

    // What one appends, the other, idle, is told of; and so of flags and expunges.
    let lock = await b.getMailboxLock('INBOX');
    lock.release();
    b.idle().catch(() => {});
    let told = event(b, 'exists', (e) => e.count === 3);
    for (let n = 1; n <= 3; n++) {
        const done = await a.append('INBOX', plain(n), n === 2 ? ['\\Flagged'] : [], new Date(Date.UTC(2026, 1, n)));
        assert.ok(done.uid === n && done.uidValidity > 0n);
    }
    await told;
    lock = await a.getMailboxLock('INBOX');
    told = event(b, 'flags', (e) => e.flags.has('$Done'));
    assert.ok(await a.messageFlagsAdd('3', ['\\Seen', '$Done'], { uid: true }));
    await told;

    // Reading.
    const one = await b.fetchOne('2', { uid: true, envelope: true, bodyStructure: true, flags: true, size: true,
        internalDate: true, source: true, labels: true });
    assert.strictEqual(one.envelope.subject, 'number 2');
    assert.strictEqual(one.envelope.messageId, '<2@x>');
    assert.strictEqual(one.bodyStructure.childNodes.length, 2);
    assert.strictEqual(one.bodyStructure.childNodes[1].dispositionParameters.filename, 'a.bin');
    assert.ok(one.flags.has('\\Flagged') && one.size === plain(2).length && one.source.equals(plain(2)));
    assert.strictEqual(one.internalDate.toISOString(), '2026-02-02T00:00:00.000Z');
    assert.ok(one.emailId);
    const part = await b.download('2', '1');
    assert.strictEqual((await text(part.content)).trim(), 'café 2');
    const attachment = await b.download('2', '2');
    assert.strictEqual(attachment.meta.filename, 'a.bin');
    assert.deepStrictEqual(Buffer.from(await text(attachment.content), 'latin1'), Buffer.from([0, 1, 2, 3, 4]));

    // Searching, and what has changed since.
    assert.deepStrictEqual(await b.search({ subject: 'number', not: { seen: true } }, { uid: true }), [1, 2]);
    assert.deepStrictEqual(await b.search({ keyword: '$Done' }), [3]);
    assert.deepStrictEqual(await b.search({ since: new Date(Date.UTC(2026, 1, 2)), body: 'café' }, { uid: true }), [2, 3]);
    const modseq = b.mailbox.highestModseq;
    await a.messageFlagsAdd('1', ['\\Answered'], { uid: true });
    const changed = [];
    for await (const m of b.fetch('1:*', { uid: true, flags: true }, { changedSince: modseq })) changed.push(m.uid);
    assert.ok(changed.includes(1));

    // Moving, copying, deleting.
    told = event(b, 'expunge', (e) => e.uid === 1 || e.seq === 1);
    b.idle().catch(() => {});
    const moved = await a.messageMove('1', 'Arbeit/日本', { uid: true });
    assert.strictEqual(moved.uidMap.get(1), 1);
    await told;
    const copied = await a.messageCopy('2:3', 'Arbeit/日本', { uid: true });
    assert.deepStrictEqual([...copied.uidMap], [[2, 2], [3, 3]]);
    assert.ok(await a.messageDelete('2', { uid: true }));
    lock.release();
    assert.strictEqual((await a.status('Arbeit/日本', { messages: true })).messages, 3);
    assert.strictEqual((await a.status('INBOX', { messages: true })).messages, 1);
    const quota = await a.getQuota('INBOX');
    assert.ok(quota === false || quota.path === 'INBOX');
    await a.mailboxDelete('Arbeit/日本');
    await assert.rejects(a.mailboxOpen('Arbeit/日本'));
    await a.logout();
    await b.logout();

    // Refused, in words.
    const wrong = new ImapFlow({ host: '127.0.0.1', port: Number(portA), secure: false, logger: false,
        tls: { rejectUnauthorized: false }, auth: { user, pass: 'wrong' } });
    await assert.rejects(wrong.connect(), (e) => e.authenticationFailed === true);
}

main().then(() => process.exit(0), (error) => {
    console.error(error.stack, error.responseText || '', error.response || '');
    process.exit(1);
});
