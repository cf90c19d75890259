/* The table of the tool's commands. */
#include "ctl/commands.h"

#include "ctl/queue_filter.h"
#include "lib/directory/fields_table.h"

/* Of retrieve add and once. */
#define COMMANDS_RETRIEVE_ARGS \
	"ADDRESS --protocol pop3|imap --host H [--port P] [--tls implicit|starttls|none] " \
	"[--certificate verify|any] --user U (--password-stdin | --oauth2 google|microsoft|URL --client-id ID " \
	"[--client-secret-file FILE] [--scope S] [--device-url URL | --token-stdin]) [--folder F]... [--mirror] " \
	"[--into FOLDER] [--keep | --delete | --delete-after DAYS] [--no-try]"

#define COMMANDS_FIELD(ident, number, name, attribute, what) " " name

const struct ctl_command ctl_commands[] = {
	{"up", "[--port-base N] [--frontends N] [--brokers N] [--workers N] [--listen ADDR] [--no-demo] [--detach]",
	 "Run a whole cluster on this machine, supervised, until Ctrl-C or `stagepost down`. --port-base: 0 to "
	 "40000, default 10000; the others: up to 50. SIGHUP: read the certificates again.",
	 command_up},
	{"down", "", "Stop the cluster of --dir; no accepted message is lost.", command_down},
	{"status", "",
	 "Show all processes with heartbeat, connections and slots, the queue, and the health of the store. Exit "
	 "status 1 if no process runs or the store accepts no mail.",
	 command_status},
	{"domain add", "NAME", "Add a local domain.", command_domain_add},
	{"domain list", "", "List the local domains.", command_domain_list},
	{"domain show", "NAME", "Show a domain with its fields and addresses.", command_domain_show},
	{"domain set", "NAME FIELD=VALUE...",
	 "Fields: catch_all (an address, or empty), disabled (on, off), max_users (0: no limit), admins (users of "
	 "it, separated by commas, or empty; admins+=USER adds, admins-=USER removes).",
	 command_domain_set},
	{"domain delete", "NAME [--force]", "Delete a domain; --force: with its users and their mail.",
	 command_domain_delete},
	{"domain dkim", "NAME [--selector S] [--algorithm rsa|ed25519] [--inactive | --activate | --delete]",
	 "Show the DKIM keys of a domain with the DNS records to publish; without a key, or for a new selector, "
	 "create one. A new key replaces the one of its algorithm at once, or, with --inactive, when --activate is "
	 "given.",
	 command_domain_dkim},
	{"domain dns", "NAME [--check]",
	 "Show the DNS records to publish for a domain, as its settings and keys are now; --check: ask DNS for each, "
	 "and say "
	 "whether it is right, missing or wrong. Exit status 1 unless all are right.",
	 command_domain_dns},
	{"user add", "ADDRESS [--password P | --password-stdin] [--quota SIZE] [--name TEXT]", "Add an account.",
	 command_user_add},
	{"user list", "[DOMAIN]", "List the accounts.", command_user_list},
	{"user show", "ADDRESS", "Show an account with its fields and its size.", command_user_show},
	{"user set", "ADDRESS [FIELD=VALUE...] [--photo FILE | --no-photo]",
	 "Fields: quota (a size, such as 2G; 0: no limit; empty: the default), enabled (on, off), roles, book (on, "
	 "off: whether the domain's address book shows it), and text of up to 200 bytes:" DIRECTORY_PERSON_FIELDS(
		 COMMANDS_FIELD) ". --photo: a JPEG of up to 100 KiB, which the address book shows.",
	 command_user_set},
	{"user delete", "ADDRESS", "Delete an account with its mail.", command_user_delete},
	{"user passwd", "ADDRESS [--password P | --password-stdin]",
	 "Set a password; the old one is no longer accepted for logins.", command_user_passwd},
	{"user import", "FILE|- [--format csv|ldif] [--with-roles] [--dry-run]",
	 "Add the accounts in a file with their fields, or change those that exist. All is checked first: if anything "
	 "is "
	 "wrong, every bad line is named, and nothing is imported. The first row of a CSV file names the columns: "
	 "address, password, password_hash ($argon2id$..., {CRYPT}, {SSHA512}, {SSHA256}, {SSHA} and the like), and "
	 "fields of `user set`; an empty value removes the field. LDIF: mail, userPassword and the attributes of "
	 "inetOrgPerson. An import that was interrupted can be repeated. --with-roles: roles too, which are refused "
	 "otherwise. --dry-run: check only.",
	 command_user_import},
	{"user export", "[DOMAIN] [--format csv|ldif] [--output FILE] [--no-passwords]",
	 "Write the accounts of a domain, or all, with their fields and the hashes of their passwords, as `user "
	 "import` "
	 "reads them. --output: a new file that only its owner can read.",
	 command_user_export},
	{"user app-password", "add ADDRESS --name NAME [--expires DURATION] | list ADDRESS | delete ADDRESS ID|NAME",
	 "Manage passwords for mail clients, in addition to the main one; add creates one and prints it once.",
	 command_user_app_password},
	{"user totp", "disable ADDRESS",
	 "Remove the second factor of an account whose user has lost the app and the recovery codes.",
	 command_user_totp},
	{"token add", "ADDRESS --name NAME [--role user|domain_admin|system_admin] [--expires DURATION]",
	 "Create a token for the API with a role (default: user); it never has more rights than its account. "
	 "It is printed once; send it as `Authorization: Bearer TOKEN`.",
	 command_token_add},
	{"token list", "ADDRESS",
	 "List the tokens of an account: id, role, times of creation, expiry and last use, name.", command_token_list},
	{"token delete", "ADDRESS ID|NAME", "Delete a token; no frontend accepts it any more.", command_token_delete},
	{"alias add", "ADDRESS TARGET...", "Create an alias, or add targets; they may be local or remote.",
	 command_alias_add},
	{"alias list", "[DOMAIN]", "List the aliases.", command_alias_list},
	{"alias delete", "ADDRESS [TARGET...]", "Delete an alias, or remove targets from it.", command_alias_delete},
	{"book rebuild", "DOMAIN | --all",
	 "Compare the address book of a domain with its accounts and aliases, and repair it. Workers do this "
	 "regularly; the domain stays in use meanwhile.",
	 command_book_rebuild},
	{"settings list", "[GROUP]", "List all settings with their values in force.", command_settings_list},
	{"settings describe", "GROUP.FIELD", "Show what a setting means and which values it allows.",
	 command_settings_describe},
	{"settings get", "GROUP[:DOMAIN].FIELD", "Show the value of a setting in force.", command_settings_get},
	{"settings set", "GROUP[:DOMAIN].FIELD=VALUE...",
	 "Check and store a setting; all processes use it within a second.", command_settings_set},
	{"settings unset", "GROUP[:DOMAIN].FIELD...", "Reset a setting to its default.", command_settings_unset},
	{"settings check", "", "Check the stored settings; exit status 1 if any is wrong.", command_settings_check},
	{"settings reference", "", "Print docs/settings.md, made from the table of settings.",
	 command_settings_reference},
	{"queue list", QUEUE_FILTER_ARGS " [--limit N]",
	 "List the messages in the queue, oldest first. A: an address, @domain, or text in it; states: queued, "
	 "active, deferred, held; --answer: text in the last answer.",
	 command_queue_list},
	{"queue summary", QUEUE_FILTER_ARGS " [--limit N]",
	 "List the destinations: messages waiting, the oldest, the next try, the last answer.", command_queue_summary},
	{"queue show", "ID", "Show one message: envelope, state and last answer of each recipient, and who has it now.",
	 command_queue_show},
	{"queue retry", "ID... | --all | filters as for queue list", "Try messages now.", command_queue_retry},
	{"queue hold", "ID... | --all | filters", "Hold messages: they are not tried until they are released.",
	 command_queue_hold},
	{"queue release", "ID... | --all | filters", "Release held messages.", command_queue_release},
	{"queue delete", "ID... | --all | filters", "Delete messages. Nobody is notified.", command_queue_delete},
	{"trace", "ID", "Show the history of one message: accepted, tried, delivered.", command_trace},
	{"events", "[--follow] [--since DURATION | --since CURSOR] [--reader NAME] [--event KIND] [--id ID]",
	 "Print delivery events, one JSON object per line; --follow: wait for further events. Kinds: accepted, "
	 "delivered, deferred, postponed, bounced, expired, expanded, held, released, deleted, reported, unreported, "
	 "taken-over.",
	 command_events},
	{"tls-report list", "DAY",
	 "List the domains whose TLS sessions were counted on a day (2026-11-24, today, yesterday; UTC), and the "
	 "state of their reports.",
	 command_tls_report_list},
	{"tls-report show", "DAY DOMAIN", "Show the report of a domain for a day (RFC 8460) as it would be made now.",
	 command_tls_report_show},
	{"tls-report send", "DAY DOMAIN",
	 "Make and send the report now, unless it is done; for today: later sessions are not reported.",
	 command_tls_report_send},
	{"dmarc-report read", "[--domain DOMAIN] [--since DAY] FILE...",
	 "Add up the DMARC reports in files (XML, gzip, zip, or whole messages; -: standard input) by the address that "
	 "sent mail in a domain's name. spf, dkim: messages that passed with an aligned domain; failed: neither. A "
	 "report that occurs twice counts once.",
	 command_dmarc_report_read},
	{"dmarc-report inbox", "DOMAIN --mailbox ADDRESS [--folder NAME] [--since DAY]",
	 "Add up the reports about a domain in a user's mailbox (default: its INBOX), to which rua= of the domain's "
	 "DMARC record sends them. Other mail there is passed over.",
	 command_dmarc_report_inbox},
	{"certificate list", "",
	 "List the names for which certificates are ordered (settings acme), with the state of each. Those in files "
	 "are shown by status.",
	 command_certificate_list},
	{"certificate renew", "NAME", "Order a new certificate for a name now.", command_certificate_renew},
	{"certificate remove", "NAME", "Forget the certificate of a name; if it is still wanted, a new one is ordered.",
	 command_certificate_remove},
	{"retrieve add", COMMANDS_RETRIEVE_ARGS " [--interval DURATION]",
	 "Retrieve mail for ADDRESS from a remote account, again and again. A worker logs in first; what is wrong is "
	 "said in the remote server's words, and nothing is kept then (--no-try: it is not tried). The password is a "
	 "line of standard input. --oauth2: access is allowed in a browser by a code, or with a refresh token "
	 "(--token-stdin). --folder: of IMAP, default INBOX; --mirror: all folders, each into one of its name below "
	 "--into. Messages stay at the remote server, or are deleted there when they are here, or some days (7d) "
	 "later.",
	 command_retrieve_add},
	{"retrieve once", COMMANDS_RETRIEVE_ARGS,
	 "Move a remote mailbox: retrieve once what is there, and show how far it is. When it is interrupted, it "
	 "stops; run it again for the rest, and for what has arrived since.",
	 command_retrieve_once},
	{"retrieve list", "[ADDRESS|DOMAIN]",
	 "List the remote accounts of ADDRESS or of DOMAIN's users, or all, with their state.", command_retrieve_list},
	{"retrieve show", "ADDRESS ID", "Show a remote account.", command_retrieve_show},
	{"retrieve set", "ADDRESS ID [FIELD=VALUE...] [--password-stdin | --token-stdin]",
	 "Change a remote account. Fields: port, tls, certificate, keep (keep, delete, 7d), into, interval (5m; empty: "
	 "the setting), enabled (on, off).",
	 command_retrieve_set},
	{"retrieve now", "ADDRESS ID", "Retrieve now.", command_retrieve_now},
	{"retrieve enable", "ADDRESS ID", "Retrieve from a remote account again.", command_retrieve_enable},
	{"retrieve disable", "ADDRESS ID", "Stop retrieving from a remote account; what is known of it is kept.",
	 command_retrieve_disable},
	{"retrieve delete", "ADDRESS ID",
	 "Forget a remote account and what has been retrieved from it; the mail that is here stays.",
	 command_retrieve_delete},
	{"secret list", "",
	 "Count the sealed secrets in the store by the key that has sealed them: second factors, keys of ordered "
	 "certificates, passwords of remote accounts. With STAGEPOST_SECRET_KEY (or the key of --dir): can all be "
	 "opened? Exit status 1 if not.",
	 command_secret_list},
	{"secret rotate", "[--dry-run]",
	 "Seal all of them with the first key of STAGEPOST_SECRET_KEY. It can be interrupted and repeated; what is "
	 "changed meanwhile stays. --dry-run: only count. Exit status 1 if any is left with another key.",
	 command_secret_rotate},
	{"sweep", "[--older-than DURATION] [--dry-run]",
	 "Find message bodies without a reference, and free their space.", command_sweep},
	{"backup", "DIR [--keep N] [--verify] | --check DIR [--at NAME]",
	 "Copy the cluster, as it is at one moment, to a folder, while mail flows: settings, accounts, mailboxes, "
	 "the queue, and the bodies that the folder does not have yet. --keep: how many backups are kept (default "
	 "1); --verify: bodies that were copied before are read again, and copied again if they are damaged; "
	 "--check: is the last backup, or NAME, still as it was made? Exit status 1 also if the store itself has "
	 "lost bodies; they are named, and the rest is backed up.",
	 command_backup},
	{"restore", "DIR [--at NAME] [--replace] [--despite-damage]",
	 "Restore the last backup of a folder, or NAME, for `stagepost up --dir` to start with, or into the empty "
	 "Redis and the blob store of STAGEPOST_REDIS and STAGEPOST_BLOBS. The backup is verified first; no process "
	 "is started. --replace: replace a store that is not empty; --despite-damage: restore the undamaged part of "
	 "a backup whose bodies are damaged.",
	 command_restore},
	{0},
};
