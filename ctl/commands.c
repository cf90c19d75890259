/* The table of the tool's commands. */
#include "ctl/commands.h"

#include "ctl/queue_filter.h"

const struct ctl_command ctl_commands[] = {
	{"up", "[--port-base N] [--frontends N] [--brokers N] [--workers N] [--listen ADDR] [--no-demo] [--detach]",
	 "Runs a whole cluster on this machine, supervised, until Ctrl-C or `stagepost down`. --port-base: 0 to 40000, "
	 "10000 when not given; the others: up to 50. SIGHUP: certificates are read anew.",
	 command_up},
	{"down", "", "Stops the cluster of --dir in order; nothing accepted is lost.", command_down},
	{"status", "",
	 "Every process with its heartbeat, connections and slots; the queue; the store's health. Exit status 1 "
	 "where no process runs or the store takes no mail.",
	 command_status},
	{"domain add", "NAME", "Makes a domain local.", command_domain_add},
	{"domain list", "", "The local domains.", command_domain_list},
	{"domain show", "NAME", "A domain with its fields and its addresses.", command_domain_show},
	{"domain set", "NAME FIELD=VALUE...",
	 "Fields: catch_all (an address, or empty), disabled (on, off), max_users (0: no limit), admins (users of it, "
	 "separated by commas, or empty; admins+=USER adds, admins-=USER removes).",
	 command_domain_set},
	{"domain delete", "NAME [--force]", "Ends a domain; --force: with its users and their mail.",
	 command_domain_delete},
	{"domain dkim", "NAME [--selector S] [--algorithm rsa|ed25519] [--inactive | --activate | --delete]",
	 "The domain's DKIM keys with the DNS records to publish; without any, or for a new selector, makes one. A new "
	 "key "
	 "takes over from the one of its algorithm at once, with --inactive only by --activate.",
	 command_domain_dkim},
	{"user add", "ADDRESS [--password P | --password-stdin] [--quota SIZE] [--name TEXT]", "Makes an account.",
	 command_user_add},
	{"user list", "[DOMAIN]", "The accounts.", command_user_list},
	{"user show", "ADDRESS", "An account with its fields and what it holds.", command_user_show},
	{"user set", "ADDRESS FIELD=VALUE...",
	 "Fields: quota (a size as 2G; 0: no limit; empty: the default), enabled (on, off), display_name, roles.",
	 command_user_set},
	{"user delete", "ADDRESS", "Ends an account, with its mail.", command_user_delete},
	{"user passwd", "ADDRESS [--password P | --password-stdin]",
	 "Sets a password; sessions that know the old one cannot log in again.", command_user_passwd},
	{"alias add", "ADDRESS TARGET...", "Mail to ADDRESS goes to the targets, local or remote.", command_alias_add},
	{"alias list", "[DOMAIN]", "The aliases.", command_alias_list},
	{"alias delete", "ADDRESS [TARGET...]", "Ends an alias, or takes targets from it.", command_alias_delete},
	{"settings list", "[GROUP]", "Every setting with its value in force.", command_settings_list},
	{"settings describe", "GROUP.FIELD", "What a setting means and what it may be.", command_settings_describe},
	{"settings get", "GROUP[:DOMAIN].FIELD", "One value in force.", command_settings_get},
	{"settings set", "GROUP[:DOMAIN].FIELD=VALUE...", "Checks and stores; live everywhere within a second.",
	 command_settings_set},
	{"settings unset", "GROUP[:DOMAIN].FIELD...", "Back to the default.", command_settings_unset},
	{"settings check", "", "What is wrong in the stored settings; exit status 1 if anything is.",
	 command_settings_check},
	{"settings reference", "", "The page docs/settings.md, made from the table.", command_settings_reference},
	{"queue list", QUEUE_FILTER_ARGS " [--limit N]",
	 "The messages in the queue, the oldest first. A: an address, @domain, or text in it; "
	 "states: queued, active, deferred, held; --answer: text in the last answer.",
	 command_queue_list},
	{"queue summary", QUEUE_FILTER_ARGS " [--limit N]",
	 "Each destination: what waits for it, the oldest, the next try, the last answer.", command_queue_summary},
	{"queue show", "ID", "One message: envelope, where each recipient stands, last answers, who has it now.",
	 command_queue_show},
	{"queue retry", "ID... | --all | filters as for queue list", "Tries them now.", command_queue_retry},
	{"queue hold", "ID... | --all | filters", "Tries them no more until released.", command_queue_hold},
	{"queue release", "ID... | --all | filters", "Ends a hold.", command_queue_release},
	{"queue delete", "ID... | --all | filters", "Removes messages; nobody is told.", command_queue_delete},
	{"trace", "ID", "The whole way of one message: accepted, tried, delivered.", command_trace},
	{"events", "[--follow] [--since DURATION | --since CURSOR] [--reader NAME] [--event KIND] [--id ID]",
	 "What happened to messages, a JSON object a line; --follow: goes on with what happens. Kinds: accepted, "
	 "delivered, "
	 "deferred, bounced, expired, expanded, held, released, deleted, reported, unreported.",
	 command_events},
	{"tls-report list", "DAY",
	 "The domains that TLS sessions of a day (2026-11-24, today, yesterday; UTC) were counted of, and how far "
	 "their reports are.",
	 command_tls_report_list},
	{"tls-report show", "DAY DOMAIN", "The report of a domain's day (RFC 8460), as it would be made now.",
	 command_tls_report_show},
	{"tls-report send", "DAY DOMAIN",
	 "Has it made now, if it is not done; of today: what is counted afterwards is not reported.",
	 command_tls_report_send},
	{"sweep", "[--older-than DURATION] [--dry-run]",
	 "Finds bodies that nothing refers to any more, and gives their space back.", command_sweep},
	{"backup", "DIR [--keep N] [--verify] | --check DIR [--at NAME]",
	 "Copies the cluster, as it is at one moment, to a folder, while mail flows: settings, accounts, mailboxes, "
	 "the "
	 "queue, and the bodies that are not there yet. --keep: so many backups stay (1); --verify: bodies that were "
	 "copied before are read "
	 "again, and copied anew where they are damaged; --check: is the last one, or "
	 "NAME, as it was made? Exit status 1 also where the store itself lost bodies; they are named, and the rest is "
	 "backed up.",
	 command_backup},
	{"restore", "DIR [--at NAME] [--replace] [--despite-damage]",
	 "Puts the last backup of a folder, or NAME, in place, for `stagepost up --dir` to start with, or into the "
	 "empty "
	 "Redis and the blob store of STAGEPOST_REDIS and STAGEPOST_BLOBS. It is verified first; no process is "
	 "started. --replace: of a store that is not empty; --despite-damage: what is good of a backup whose bodies "
	 "are damaged.",
	 command_restore},
	{0},
};
