/* Every key of the store, one row each. docs/architecture.md shows this table
 * (`make tables` compares them), and the integration tests check that the keys they
 * leave behind match it.
 *
 *	K(IDENT, pattern, type, lifetime, dies with, written by, what)
 *
 * A pattern's <parts> are filled in by redis_key() (keys.h). All keys of a script
 * have the same hash tag: the part in braces.
 *
 * Lifetime: EXPIRES (it always has a time to live) or STAYS. Dies with: what it is
 * deleted together with. ACCOUNT, DOMAIN, FOLDER (of a mailbox), CHUNK (of a
 * folder), PROCESS, TIME, or PURPOSE (it is deleted when it is empty, or never). */
#ifndef SP_REDIS_KEYS_TABLE_H
#define SP_REDIS_KEYS_TABLE_H

/* Mailbox keys. The scripts of lib/mailbox use this list to remove what dies
 * with an account, a folder or a chunk. */
#define REDIS_KEYS_OF_MAIL(K) \
	K(MAIL_META, "mail:{<address>}:meta", HASH, STAYS, ACCOUNT, "scripts of lib/mailbox", \
	  "counts: modseq, bytes, messages, next ids") \
	K(MAIL_NAMES, "mail:{<address>}:names", HASH, STAYS, ACCOUNT, "scripts of lib/mailbox", "folders: name, id") \
	K(MAIL_ITEMS, "mail:{<address>}:items", HASH, STAYS, ACCOUNT, "scripts of lib/mailbox", \
	  "folders of other classes than mail: name, id") \
	K(MAIL_RENAME, "mail:{<address>}:rename:<token>", HASH, EXPIRES, TIME, "scripts of lib/mailbox", \
	  "names that are to take the place of those of the account") \
	K(MAIL_FOLDERS_CHANGED, "mail:{<address>}:fmod", ZSET, STAYS, ACCOUNT, "scripts of lib/mailbox", \
	  "the log of folders: ids by the modseq of their last change") \
	K(MAIL_FOLDERS_GONE, "mail:{<address>}:fgone", ZSET, STAYS, ACCOUNT, "scripts of lib/mailbox", \
	  "deleted folders, for as long as other tombstones are kept") \
	K(MAIL_IDS, "mail:{<address>}:ids", HASH, STAYS, ACCOUNT, "scripts of lib/mailbox", \
	  "recently found places of messages, by email id: at most a thousand, each checked before use") \
	K(MAIL_ONCE, "mail:{<address>}:once:<day>", HASH, EXPIRES, ACCOUNT, "scripts of lib/mailbox", \
	  "results of requests with a client's token, for three days") \
	K(MAIL_SUBS, "mail:{<address>}:subs", SET, STAYS, ACCOUNT, "scripts of lib/mailbox", \
	  "subscribed names without a folder") \
	K(MAIL_METADATA, "mail:{<address>}:md", HASH, STAYS, ACCOUNT, "scripts of lib/mailbox", \
	  "annotations of the account") \
	K(MAIL_DOOMED, "mail:{<address>}:doomed", SET, STAYS, ACCOUNT, "scripts of lib/mailbox", \
	  "folders that are being removed") \
	K(MAIL_COPIES, "mail:{<address>}:copies", ZSET, STAYS, ACCOUNT, "scripts of lib/mailbox", \
	  "copies in progress, by the end of their lease") \
	K(MAIL_LOCK, "mail:{<address>}:lock", STRING, EXPIRES, ACCOUNT, "frontends (POP3)", "holder of the maildrop") \
	K(MAIL_LEDGER, "mail:{<address>}:filed:<day>", HASH, EXPIRES, TIME, "scripts of lib/mailbox", \
	  "the ledger of deliveries; outlives the account") \
	K(MAIL_FOLDER, "mail:{<address>}:f:<folder>", HASH, STAYS, FOLDER, "scripts of lib/mailbox", \
	  "counts of a folder, so that opening costs the same at any size; `recent`: the first UID that no IMAP " \
	  "session has claimed as \\Recent") \
	K(MAIL_KEYWORDS, "mail:{<address>}:f:<folder>:kw", HASH, STAYS, FOLDER, "scripts of lib/mailbox", "keywords") \
	K(MAIL_ANNOTATIONS, "mail:{<address>}:f:<folder>:md", HASH, STAYS, FOLDER, "scripts of lib/mailbox", \
	  "annotations") \
	K(MAIL_CHUNKS, "mail:{<address>}:f:<folder>:chunks", HASH, STAYS, FOLDER, "scripts of lib/mailbox", \
	  "each chunk's count and highest modseq") \
	K(MAIL_GONE, "mail:{<address>}:f:<folder>:gone", LIST, STAYS, FOLDER, "scripts of lib/mailbox", "tombstones") \
	K(MAIL_EXTRA, "mail:{<address>}:f:<folder>:x", HASH, STAYS, FOLDER, "scripts of lib/mailbox", \
	  "extra data of records, by UID") \
	K(MAIL_ITEM_UIDS, "mail:{<address>}:f:<folder>:u", HASH, STAYS, FOLDER, "scripts of lib/mailbox", \
	  "UIDs of items by key and by name") \
	K(MAIL_ITEM_NAMES, "mail:{<address>}:f:<folder>:r", HASH, STAYS, FOLDER, "scripts of lib/mailbox", \
	  "key and name of items by UID, until the tombstone is removed") \
	K(MAIL_HOT, "mail:{<address>}:f:<folder>:h:<chunk>", STRING, STAYS, CHUNK, "scripts of lib/mailbox", \
	  "packed *hot* records of 256 UIDs") \
	K(MAIL_COLD, "mail:{<address>}:f:<folder>:c:<chunk>", STRING, STAYS, CHUNK, "scripts of lib/mailbox", \
	  "packed *cold* records of 256 UIDs")

/* Keys of remote accounts. lib/retrieve uses this list to remove what dies with one, and
 * with the account here. */
#define REDIS_KEYS_OF_RETRIEVE(K) \
	K(RETRIEVE, "retrieve:{<address>}", HASH, STAYS, ACCOUNT, "lib/retrieve", \
	  "remote accounts by their id, packed; their passwords and tokens are sealed") \
	K(RETRIEVE_STATUS, "retrieve:{<address>}:<id>:st", HASH, STAYS, ACCOUNT, \
	  "the retrieving worker, under its fence; the tool", "what happened last, what is due, the fence") \
	K(RETRIEVE_LEDGER, "retrieve:{<address>}:<id>:l", STRING, STAYS, ACCOUNT, \
	  "the retrieving worker, under its fence", "messages that are here: remote id, fingerprint, day; packed") \
	K(RETRIEVE_FOLDERS, "retrieve:{<address>}:<id>:f", HASH, STAYS, ACCOUNT, \
	  "the retrieving worker, under its fence", "how far each folder of an IMAP account has been retrieved") \
	K(RETRIEVE_PENDING, "retrieve:{<address>}:<id>:pending", HASH, STAYS, ACCOUNT, \
	  "the retrieving worker, under its fence", "messages that are being handed over, with their envelopes")

#define REDIS_KEYS(K) \
	K(SETTINGS, "settings:<group>", HASH, STAYS, PURPOSE, "operators", "settings") \
	K(SETTINGS_DOMAIN, "settings:<group>:<domain>", HASH, STAYS, PURPOSE, "operators", "settings of a domain") \
	K(SETTINGS_ERRORS, "settings:errors", HASH, STAYS, PURPOSE, "brokers", "errors in the settings") \
	K(DOMAINS, "domains", SET, STAYS, PURPOSE, "lib/directory", "all domains") \
	K(DOMAIN, "domain:{<domain>}", HASH, STAYS, DOMAIN, "lib/directory", "a domain") \
	K(DOMAIN_USERS, "domain:{<domain>}:users", SET, STAYS, DOMAIN, "lib/directory", "its accounts") \
	K(DOMAIN_ALIASES, "domain:{<domain>}:aliases", SET, STAYS, DOMAIN, "lib/directory", "its aliases") \
	K(DOMAIN_DKIM, "domain:{<domain>}:dkim", HASH, STAYS, DOMAIN, "lib/directory", "its DKIM keys") \
	K(USER, "user:{<address>}", HASH, STAYS, ACCOUNT, "lib/directory", "an account") \
	K(PHOTO, "photo:{<address>}", STRING, STAYS, ACCOUNT, "lib/directory", \
	  "the account's photo: JPEG, up to 100 KiB") \
	K(ALIAS, "alias:{<address>}", SET, STAYS, DOMAIN, "lib/directory", "targets of an alias") \
	K(POSIX_NUMBERS, "posix:numbers", HASH, STAYS, PURPOSE, "lib/directory", \
	  "numbers of accounts and aliases on Linux machines, by address; none is ever given to another; `next`: the " \
	  "one that comes next") \
	K(BOOK, "book:{<domain>}", HASH, STAYS, DOMAIN, "lib/directory", \
	  "its address book: an entry for each account and alias, made from their records") \
	K(BOOK_LOG, "book:{<domain>}:log", LIST, STAYS, DOMAIN, "lib/directory", \
	  "the last 10,000 changes of the book: version, address") \
	K(BOOK_VERSION, "book:{<domain>}:v", STRING, STAYS, DOMAIN, "lib/directory", "version of the book") \
	K(BOOK_STATE, "book:{<domain>}:state", HASH, STAYS, DOMAIN, "lib/directory, under its lease", \
	  "when the book was last compared with the records; the comparing process and its lease") \
	REDIS_KEYS_OF_MAIL(K) \
	REDIS_KEYS_OF_RETRIEVE(K) \
	K(RETRIEVE_HOST, "retrieve:host:<host>", ZSET, EXPIRES, TIME, "workers", \
	  "remote accounts that are being read at a host, by the end of their lease") \
	K(RETRIEVE_DUE, "retrieve:due", ZSET, STAYS, PURPOSE, "lib/retrieve, workers", \
	  "all remote accounts (`address id`), by when they are due") \
	K(SPOOL_LEASE, "spool:{<shard>}:lease", STRING, EXPIRES, PROCESS, "its broker", "holder of the shard") \
	K(SPOOL_FENCE, "spool:{<shard>}:fence", STRING, STAYS, PURPOSE, "its broker", "number of the last lease") \
	K(SPOOL_ENVELOPES, "spool:{<shard>}:env", HASH, STAYS, PURPOSE, "its broker, under its fence", "envelopes") \
	K(SPOOL_STATES, "spool:{<shard>}:state", HASH, STAYS, PURPOSE, "its broker, under its fence", \
	  "states of messages") \
	K(SPOOL_EVENTS, "spool:{<shard>}:events", STREAM, STAYS, PURPOSE, "its broker, under its fence", \
	  "the last events") \
	K(SPOOL_DONE, "spool:{<shard>}:done:<hour>", HASH, EXPIRES, TIME, "its broker, under its fence", \
	  "messages that have left") \
	K(SPOOL_PERMITS, "spool:permits:{<site>}", HASH, EXPIRES, TIME, "brokers", \
	  "each broker's share of the limits of a site, and the tokens left of its rate") \
	K(STS_POLICY, "tlspolicy:sts:{<domain>}", STRING, EXPIRES, TIME, "workers", \
	  "MTA-STS policies, as long as they are valid") \
	K(EVENTS_READER, "events:reader:<name>", HASH, STAYS, PURPOSE, "the tool", \
	  "position of a reader of the events, by shard") \
	K(TLSRPT_DUE, "tlsrpt:{<day>}:due", ZSET, EXPIRES, TIME, "workers", "domains whose report is due") \
	K(TLSRPT_DONE, "tlsrpt:{<day>}:done", HASH, EXPIRES, TIME, "workers", "what happened to their reports") \
	K(TLSRPT_COUNTS, "tlsrpt:{<day>}:c:<domain>", HASH, EXPIRES, TIME, "workers", "TLS sessions counted") \
	K(TLSRPT_PLAN, "tlsrpt:{<day>}:p:<domain>", HASH, EXPIRES, TIME, "workers", "the state of its report") \
	K(BLOB_REFS, "blobrefs:{<pack>}", HASH, STAYS, PURPOSE, "any process that adds or removes one", \
	  "references to bodies beyond the first") \
	K(SWEEP_SUSPECTS, "sweep:suspects", HASH, STAYS, PURPOSE, "the sweeping process", \
	  "bodies that a sweep found without a reference, and when") \
	K(SWEEP_STATE, "sweep:state", HASH, STAYS, PURPOSE, "the sweeping process, under its lease", \
	  "the sweeping process and its lease; figures of the current sweep and of the last one") \
	K(BACKUP_HOLD, "backup:hold", STRING, EXPIRES, PROCESS, "the tool", \
	  "the folder of the running backup: bodies without a reference are kept meanwhile") \
	K(BACKUP_HELD, "backup:held", LIST, STAYS, PURPOSE, "any process that drops the last reference", \
	  "bodies kept for a backup, which releases them at its end") \
	K(CLUSTER_PROCS, "cluster:procs", ZSET, STAYS, PURPOSE, "every process", "processes by their last heartbeat") \
	K(CLUSTER_PROC, "cluster:proc:<id>", HASH, EXPIRES, PROCESS, "every process", "a process") \
	K(CLUSTER_BROKERS, "cluster:brokers", SET, STAYS, PURPOSE, "brokers", "all brokers") \
	K(CLUSTER_BROKER, "cluster:broker:<id>", HASH, EXPIRES, PROCESS, "brokers", "address of a broker") \
	K(CLUSTER_SHARDS, "cluster:shards", HASH, STAYS, PURPOSE, "brokers", "owners of shards: a hint") \
	K(CLUSTER_SHARD_COUNT, "cluster:shard-count", STRING, STAYS, PURPOSE, "the first process", \
	  "how many shards there are") \
	K(CLUSTER_MINUTE, "cluster:minute:<minute>", HASH, EXPIRES, TIME, "brokers", \
	  "messages accepted, delivered and deferred in that minute, and the queue of each broker; for an hour") \
	K(CLUSTER_STORE_VERSION, "cluster:store-version", STRING, STAYS, PURPOSE, "the first process", \
	  "version of the data in the store; programs that cannot work with it stop") \
	K(CLUSTER_SECRET, "cluster:secret", STRING, STAYS, PURPOSE, "the first process", \
	  "32 random bytes from which all processes derive shared keys; unused if `STAGEPOST_CLUSTER_KEY` is set") \
	K(AUTH_FAIL_ACCOUNT, "auth:fail:{account:<address>}", STRING, EXPIRES, TIME, "frontends", \
	  "failed logins of an account") \
	K(AUTH_FAIL_ADDRESS, "auth:fail:{address:<ip>}", STRING, EXPIRES, TIME, "frontends", \
	  "failed logins from an address") \
	K(LIMIT_ACCOUNT, "limit:{account:<address>}:<what>", STRING, EXPIRES, TIME, "frontends", \
	  "how much of the account's limit on messages or recipients is in use, and when it was so") \
	K(LIMIT_ADDRESS, "limit:{address:<ip>}:<what>", STRING, EXPIRES, TIME, "frontends", \
	  "the same of an address that is not logged in") \
	K(AUTH_OK, "auth:ok:{<address>}", STRING, EXPIRES, ACCOUNT, "frontends", \
	  "a MAC of the last correct password, for `cache_time`; only with `STAGEPOST_CLUSTER_KEY`") \
	K(AUTH_TOTP, "auth:totp:{<address>}", HASH, EXPIRES, ACCOUNT, "frontends", \
	  "second factor of an account: the step of the last code, wrong ones since") \
	K(AUTH_TOTP_NEW, "auth:totp-new:{<address>}", STRING, EXPIRES, ACCOUNT, "frontends", \
	  "sealed secret of a second factor that is not confirmed yet") \
	K(AUTH_USED, "auth:used:{<address>}", HASH, EXPIRES, ACCOUNT, "frontends", \
	  "when app passwords and tokens of an account were last used, by their id") \
	K(WEB_SESSION, "web:session:{<hash>}", STRING, EXPIRES, TIME, "frontends", \
	  "a session of the administration page, by the SHA-256 of its token") \
	K(WEB_SESSIONS, "web:sessions:{<address>}", ZSET, EXPIRES, ACCOUNT, "frontends", \
	  "an account's sessions of the page: their hashes, by the time of the login") \
	K(ADMIN_LOG, "admin:log", STREAM, STAYS, PURPOSE, "frontends", \
	  "what administrators changed by the page or the API, 10,000 entries") \
	K(ACME_WORK, "acme:{acme}:work", HASH, STAYS, PURPOSE, "the ordering worker, under its lease", \
	  "the worker that orders certificates, its lease and fence; what is wrong") \
	K(ACME_ACCOUNTS, "acme:{acme}:accounts", HASH, STAYS, PURPOSE, "the ordering worker, under its lease", \
	  "accounts by the directory of their authority, as JSON; their keys are sealed") \
	K(ACME_NAMES, "acme:{acme}:names", HASH, STAYS, PURPOSE, "the ordering worker, under its lease", \
	  "the state of each name, as JSON: its order, its last problem, its next try") \
	K(ACME_INDEX, "acme:{acme}:index", HASH, STAYS, PURPOSE, "the ordering worker, under its lease", \
	  "certificates by name, as JSON: when they end, who issued them") \
	K(ACME_RENEW, "acme:{acme}:renew", SET, STAYS, PURPOSE, "the tool", "names whose renewal is requested") \
	K(ACME_CERTIFICATE, "acme:{acme}:certificate:<name>", HASH, STAYS, PURPOSE, \
	  "the ordering worker, under its lease", \
	  "a certificate: its entry of the index, its chain, its key (sealed)") \
	K(ACME_CHALLENGE, "acme:{acme}:challenge:<token>", STRING, EXPIRES, TIME, \
	  "the ordering worker, under its lease", "what frontends answer at /.well-known/acme-challenge/") \
	K(POP3_LOGIN, "pop3:login:{<address>}", STRING, EXPIRES, TIME, "frontends", "a recent login (`LOGIN-DELAY`)")

#endif
