// ldapjs as a client: logins, searches, pages, comparisons, and what is refused.
// usage: node session.js PORT TLS-PORT BASE USER   (exits with 0 if all is as it should be)
'use strict';

const assert = require('assert');
const ldap = require('ldapjs');

const [port, tlsPort, base, user] = process.argv.slice(2);
const people = `ou=people,${base}`;
const tls = () => ({ rejectUnauthorized: false }); // each connection puts its socket into its own

function connect(url, options) {
    return new Promise((resolve, reject) => {
        const client = ldap.createClient({ url, timeout: 20000, ...options });
        client.on('connect', () => resolve(client));
        client.on('connectError', reject);
        client.on('error', () => {});
    });
}

// A call as a promise of all that its callback gets but the error.
const call = (client, name, ...args) => new Promise((resolve, reject) =>
    client[name](...args, (error, ...results) => error ? reject(error) : resolve(results)));

const refused = (promise, name) => assert.rejects(promise, (error) => error.name === name || assert.fail(`${error.name}, not ${name}`));

async function search(client, from, options) {
    const [answer] = await call(client, 'search', from, { scope: 'sub', ...options });
    const found = { entries: [], pages: 0 };
    return new Promise((resolve, reject) => {
        answer.on('searchEntry', (entry) => found.entries.push(entry.pojo));
        answer.on('page', () => found.pages++);
        answer.on('error', (error) => reject(Object.assign(error, { found })));
        answer.on('end', () => resolve(found));
    });
}

const names = (found) => found.entries.map((entry) => entry.objectName.split(',')[0].split('=')[1]).sort();
const values = (entry, type) => entry.attributes.find((a) => a.type === type).values;

async function logins() {
    const client = await connect(`ldap://127.0.0.1:${port}`);
    const root = await search(client, '', { scope: 'base', attributes: ['*', '+'] });
    assert.deepStrictEqual(values(root.entries[0], 'supportedLDAPVersion'), ['3']);
    await refused(search(client, base, {}), 'InsufficientAccessRightsError');
    await refused(call(client, 'bind', `uid=${user},${people}`, 'wrong'), 'InvalidCredentialsError');
    await refused(call(client, 'bind', `uid=${user},${people}`, ''), 'UnwillingToPerformError');
    await refused(call(client, 'bind', 'uid=,,', 'secret'), 'InvalidDnSyntaxError');
    await call(client, 'starttls', tls(), []);
    await call(client, 'bind', `uid=${user},${people}`, 'secret');
    const [who] = await call(client, 'exop', '1.3.6.1.4.1.4203.1.11.3');
    assert.strictEqual(String(who), `dn:uid=${user},${people}`);
    client.unbind();
    const secure = await connect(`ldaps://127.0.0.1:${tlsPort}`, { tlsOptions: tls() });
    await call(secure, 'bind', `uid=${user},${people}`, 'secret');
    return secure;
}

async function searches(client) {
    const all = await search(client, people, { filter: '(uid=*)', attributes: ['uid', 'mail', 'cn'] });
    const uids = names(all);
    assert(uids.includes(user) && uids.length >= 5);
    for (const filter of [`(mail=${user}@*)`, `(&(objectClass=inetOrgPerson)(uid=${user}))`, `(!(!(uid=${user.toUpperCase()})))`])
        assert.deepStrictEqual(names(await search(client, base, { filter })), [user], filter);
    assert.deepStrictEqual(names(await search(client, base, { filter: '(nosuch=x)' })), []);
    const odd = new ldap.EqualityFilter({ attribute: 'cn', value: 'Plus, Person; #1' });
    const [plus] = (await search(client, base, { filter: odd, attributes: ['mail'] })).entries;
    assert(values(plus, 'mail')[0].startsWith('a+b@'));
    const groups = await search(client, base, { filter: '(objectClass=groupOfNames)', attributes: ['member'] });
    assert(groups.entries.some((g) => values(g, 'member').includes(`uid=${user},${people}`)));

    const paged = await search(client, people, { filter: '(uid=*)', attributes: ['uid'], paged: { pageSize: 2 } });
    assert.deepStrictEqual(names(paged), uids);
    assert.strictEqual(paged.pages, Math.ceil(uids.length / 2));
    // Pages that wait until they are asked for, as a list that is scrolled.
    const [answer] = await call(client, 'search', people, { scope: 'sub', filter: '(uid=*)', paged: { pageSize: 3, pagePause: true } });
    const first = await new Promise((resolve, reject) => {
        let seen = 0;
        answer.on('searchEntry', () => seen++);
        answer.on('error', reject);
        answer.on('page', (result, goOn) => resolve([seen, goOn]));
    });
    assert.strictEqual(first[0], 3);
    const rest = new Promise((resolve, reject) => answer.on('end', resolve).on('error', reject));
    answer.removeAllListeners('page');
    answer.on('page', (result, goOn) => goOn && goOn());
    first[1]();
    await rest;

    const limited = await search(client, people, { filter: '(uid=*)', sizeLimit: 2 }).catch((error) => error);
    assert.strictEqual(limited.name, 'SizeLimitExceededError');
    assert.strictEqual(limited.found.entries.length, 2);
    await refused(search(client, `uid=nobody,${people}`, { scope: 'base' }), 'NoSuchObjectError');
    await refused(search(client, 'dc=else,dc=test', {}), 'NoSuchObjectError');
}

async function rest(client) {
    assert.strictEqual((await call(client, 'compare', `uid=${user},${people}`, 'givenName', 'alice'))[0], true);
    assert.strictEqual((await call(client, 'compare', `uid=${user},${people}`, 'givenName', 'bob'))[0], false);
    await refused(call(client, 'compare', `uid=${user},${people}`, 'nosuch', 'x'), 'UndefinedAttributeTypeError');
    await refused(call(client, 'del', `uid=${user},${people}`), 'UnwillingToPerformError');
    await refused(call(client, 'add', `uid=new,${people}`, { cn: 'new', sn: 'new', objectClass: 'inetOrgPerson' }), 'UnwillingToPerformError');
    await refused(call(client, 'modifyDN', `uid=${user},${people}`, 'uid=other'), 'UnwillingToPerformError');
    await refused(call(client, 'exop', '1.2.3.4'), 'ProtocolError');
    const change = new ldap.Change({ operation: 'replace', modification: { type: 'title', values: ['x'] } });
    await refused(call(client, 'modify', `uid=${user},${people}`, change), 'UnwillingToPerformError');
    // Many at once: each answer finds its request.
    const many = await Promise.all(Array.from({ length: 30 }, (_, i) => search(client, base, { filter: i % 2 ? `(uid=${user})` : '(uid=bob)' })));
    many.forEach((found, i) => assert.deepStrictEqual(names(found), [i % 2 ? user : 'bob']));
}

async function main() {
    const client = await logins();
    await searches(client);
    await rest(client);
    client.unbind();
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
