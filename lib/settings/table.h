/* Every setting, declared once. The struct, the parser, the checks, the
 * defaults, `stagepost settings list|describe|check` and docs/settings.md are
 * made from this table.
 *
 * A group is a Redis hash settings:<name>; SCOPE_DOMAIN fields may be
 * overridden in settings:<name>:<domain>.
 *
 *   S(group, field, type, default, unit, min, max, scope, help)
 *
 * Types: BOOL (bool), INT (int64_t), DURATION (int64_t, milliseconds; a bare
 * number is in `unit`), SIZE (int64_t, bytes), TEXT (const char *), LIST
 * (struct settings_list), ENUM (int; `unit` holds the words "a|b|c" in the
 * order of the values), CIDRS (list of IP addresses and blocks).
 * Defaults are written as an operator would write them. min and max are in
 * the type's own unit (ms, bytes); for TEXT they are lengths in bytes, for LIST
 * and CIDRS counts of entries. The unit "ipv4" or "ipv6" of a TEXT makes it an
 * address or empty, "host" a host[:port], "address" a mail address; "secret" keeps
 * it out of lists. The unit "a|b" of a LIST
 * makes its entries URLs, a://host[:port].
 *
 * `| PLANNED` behind the scope: what would obey the field does not exist yet.
 * It can be set, and the tool and the page say that nothing obeys it. The flag
 * goes with the first reader (tests/tables.py fails until then, and when a
 * field without the flag is read nowhere). */
#ifndef SP_SETTINGS_TABLE_H
#define SP_SETTINGS_TABLE_H

#define SEC_MS	(INT64_C(1000))
#define MIN_MS	(60 * SEC_MS)
#define HOUR_MS (60 * MIN_MS)
#define DAY_MS	(24 * HOUR_MS)

/* clang-format off */
/* The hash names, with the C names of their structs. */
#define SETTINGS_GROUPS(G)                                                                         \
	G(pop, "pop", "POP3 server and retrieval from remote POP accounts")                        \
	G(imap, "imap", "IMAP server and retrieval from remote IMAP accounts")                     \
	G(ldap, "ldap", "LDAP server")                                                             \
	G(smtp_in, "smtp-in", "SMTP server and submission")                                        \
	G(smtp_out, "smtp-out", "Delivery to remote servers")                                      \
	G(destination, "destination", "What remote servers are sent at most; by recipient domain or MX host") \
	G(xmpp, "xmpp", "XMPP server")                                                             \
	G(ews, "ews", "Exchange Web Services")                                                     \
	G(eas, "eas", "Exchange ActiveSync")                                                       \
	G(spool, "spool", "The queue: retries, expiry, traces")                                    \
	G(auth, "auth", "Passwords and failed logins")                                             \
	G(mailbox, "mailbox", "Local delivery and mailboxes")                                      \
	G(spam, "spam", "Spam checks by rspamd or SpamAssassin")

#define SETTINGS_POP(S)                                                                            \
	S(pop, banner, TEXT, "+OK #HostName# POP3 server ready", "", 0, 500, SCOPE_GLOBAL,         \
	  "text on connect; a value without +OK gets it put in front; variables: #HostName#, #ConnectedIP#, #Time#, #TimeUTC#, #UnixTime#") \
	S(pop, command_timeout, DURATION, "5", "m", SEC_MS, DAY_MS, SCOPE_GLOBAL,                  \
	  "a command whose data stops coming for this long is aborted, and an idle session closed")                              \
	S(pop, max_bad_commands, INT, "8", "", 1, 1000, SCOPE_GLOBAL, "bad commands before the connection is closed") \
	S(pop, max_connections, INT, "500", "", 1, 1000000, SCOPE_GLOBAL,                          \
	  "per frontend process; one more gets a clear -ERR and is closed")                        \
	S(pop, retrieval_download_path, TEXT, "/var/lib/stagepost/retrieval/pop", "", 1, 1000, SCOPE_GLOBAL | PLANNED, \
	  "where mail fetched from remote POP accounts is kept until it is handed to the spool")   \
	S(pop, max_retrieval_threads, INT, "10", "", 0, 10000, SCOPE_GLOBAL | PLANNED,                       \
	  "remote POP accounts read at once, per worker")                                          \
	S(pop, retrieval_interval, DURATION, "1", "m", SEC_MS, 30 * DAY_MS, SCOPE_GLOBAL | PLANNED,          \
	  "how often each remote POP account is checked")                                          \
	S(pop, login_delay, DURATION, "0", "s", 0, DAY_MS, SCOPE_GLOBAL,                           \
	  "least time between two logins to one maildrop (LOGIN-DELAY); 0: none")                  \
	S(pop, allow_insecure_auth, BOOL, "off", "", 0, 1, SCOPE_GLOBAL,                           \
	  "passwords on connections without TLS that do not come from loopback")                   \
	S(pop, proxy_protocol_from, CIDRS, "", "", 0, 4096, SCOPE_GLOBAL,                          \
	  "load balancers from which a PROXY protocol header is required")                         \
	SETTINGS_AUTODISCOVER(S, pop, "995")

#define SETTINGS_IMAP(S)                                                                           \
	S(imap, banner, TEXT, "#HostName# IMAP4 server ready", "", 0, 500, SCOPE_GLOBAL,           \
	  "text on connect, after * OK [CAPABILITY ...]")                                          \
	S(imap, command_timeout, DURATION, "15", "m", SEC_MS, DAY_MS, SCOPE_GLOBAL,                \
	  "a command whose data stops coming for this long is aborted")                            \
	S(imap, max_bad_commands, INT, "8", "", 1, 1000, SCOPE_GLOBAL, "bad commands before the connection is closed") \
	S(imap, max_connections, INT, "1000", "", 1, 1000000, SCOPE_GLOBAL, "per frontend process")   \
	S(imap, retrieval_download_path, TEXT, "/var/lib/stagepost/retrieval/imap", "", 1, 1000, SCOPE_GLOBAL | PLANNED, \
	  "where mail fetched from remote IMAP accounts is kept until it is handed to the spool")  \
	S(imap, max_retrieval_threads, INT, "10", "", 0, 10000, SCOPE_GLOBAL | PLANNED,                      \
	  "remote IMAP accounts read at once, per worker")                                         \
	S(imap, retrieval_interval, DURATION, "10", "m", SEC_MS, 30 * DAY_MS, SCOPE_GLOBAL | PLANNED,        \
	  "how often each remote IMAP account is checked")                                         \
	S(imap, enable_idle, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, "IDLE offered and served")        \
	S(imap, allow_insecure_auth, BOOL, "off", "", 0, 1, SCOPE_GLOBAL,                          \
	  "passwords on connections without TLS that do not come from loopback")                   \
	S(imap, max_message_size, SIZE, "100M", "", 0, INT64_MAX, SCOPE_GLOBAL,                    \
	  "largest message that APPEND takes (APPENDLIMIT); 0: no limit")                          \
	S(imap, proxy_protocol_from, CIDRS, "", "", 0, 4096, SCOPE_GLOBAL,                         \
	  "load balancers from which a PROXY protocol header is required")                         \
	SETTINGS_AUTODISCOVER(S, imap, "993")

#define SETTINGS_LDAP(S)                                                                           \
	S(ldap, session_timeout, DURATION, "300", "s", SEC_MS, DAY_MS, SCOPE_GLOBAL | PLANNED,               \
	  "no command for this long: closed")                                                      \
	S(ldap, command_timeout, DURATION, "120", "s", SEC_MS, DAY_MS, SCOPE_GLOBAL | PLANNED,               \
	  "data of a command stops coming for this long: aborted")

#define SETTINGS_SMTP_IN(S)                                                                        \
	S(smtp_in, banner, TEXT, "#HostName# ESMTP", "", 0, 500, SCOPE_GLOBAL, "text on connect, after 220") \
	S(smtp_in, allow_relay, ENUM, "nobody", "nobody|local_users|local_domains|anyone", 0, 3, SCOPE_GLOBAL, \
	  "who may send to remote recipients without authentication: nobody (only authenticated users and relay_whitelist), local_users (also where MAIL FROM is an account here), local_domains (also where its domain is local), anyone (an open relay)") \
	S(smtp_in, relay_whitelist, CIDRS, "", "", 0, 4096, SCOPE_GLOBAL,                          \
	  "IP addresses and CIDR blocks that may relay in any case")                               \
	S(smtp_in, session_timeout, DURATION, "15", "m", SEC_MS, DAY_MS, SCOPE_GLOBAL,             \
	  "no command for this long: closed")                                                      \
	S(smtp_in, session_timeout_enabled, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, "session_timeout is in force") \
	S(smtp_in, command_timeout, DURATION, "120", "s", SEC_MS, DAY_MS, SCOPE_GLOBAL,            \
	  "data of a command or message stops coming for this long: closed")                       \
	S(smtp_in, max_bad_commands, INT, "8", "", 1, 1000, SCOPE_GLOBAL, "bad commands before the connection is closed") \
	S(smtp_in, max_connections, INT, "1000", "", 1, 1000000, SCOPE_GLOBAL,                     \
	  "per frontend process; one more gets 421")                                               \
	S(smtp_in, max_hop_count, INT, "20", "", 1, 1000, SCOPE_GLOBAL,                            \
	  "more Received lines than this: refused (5.4.6)")                                        \
	S(smtp_in, max_message_size, SIZE, "0", "", 0, INT64_MAX, SCOPE_GLOBAL,                    \
	  "offered by SIZE, checked at MAIL and again as data comes; 0: no limit")                 \
	S(smtp_in, max_recipients, INT, "1000", "", 100, 100000, SCOPE_GLOBAL,                     \
	  "recipients of one message (LIMITS RCPTMAX); one more gets 452")                         \
	S(smtp_in, max_bad_recipients, INT, "20", "", 1, 100000, SCOPE_GLOBAL,                     \
	  "refused recipients before the session is closed")                                       \
	S(smtp_in, append_received_line, ENUM, "all", "all|authenticated|none", 0, 2, SCOPE_GLOBAL, \
	  "for whose messages a Received line is added")                                           \
	S(smtp_in, require_auth_match, ENUM, "none", "none|domain|email", 0, 2, SCOPE_GLOBAL,      \
	  "the From: address and MAIL FROM of an authenticated sender must match the account")     \
	S(smtp_in, max_messages_per_session, INT, "0", "", 0, 1000000, SCOPE_GLOBAL, "0: no limit") \
	S(smtp_in, enable_vrfy, BOOL, "off", "", 0, 1, SCOPE_GLOBAL, "VRFY answers")               \
	S(smtp_in, enable_expn, BOOL, "off", "", 0, 1, SCOPE_GLOBAL, "EXPN answers")               \
	S(smtp_in, allow_relay_for_authenticated, BOOL, "on", "", 0, 1, SCOPE_GLOBAL,              \
	  "authenticated users may relay")                                                         \
	S(smtp_in, require_auth_for_local_delivery, BOOL, "off", "", 0, 1, SCOPE_DOMAIN,           \
	  "mail from a local domain to a local domain must be authenticated")                      \
	S(smtp_in, priority, ENUM, "normal", "low|normal|high", 0, 2, SCOPE_DOMAIN,                \
	  "of what users send, in the queue and where servers take MT-PRIORITY; by the user's domain") \
	S(smtp_in, allow_high_priority, BOOL, "off", "", 0, 1, SCOPE_DOMAIN,                       \
	  "users may ask for more than that by MT-PRIORITY (RFC 6710); for less they always may") \
	S(smtp_in, disable_auth_login, BOOL, "off", "", 0, 1, SCOPE_GLOBAL,                        \
	  "hides and refuses AUTH LOGIN (and PLAIN)")                                              \
	S(smtp_in, allow_insecure_auth, BOOL, "off", "", 0, 1, SCOPE_GLOBAL,                       \
	  "AUTH on connections without TLS that do not come from loopback")                        \
	S(smtp_in, proxy_protocol_from, CIDRS, "", "", 0, 4096, SCOPE_GLOBAL,                      \
	  "load balancers from which a PROXY protocol header is required")                         \
	SETTINGS_AUTODISCOVER(S, smtp_in, "465")

#define SETTINGS_SMTP_OUT(S)                                                                       \
	S(smtp_out, outbound_ipv4, TEXT, "", "ipv4", 0, 64, SCOPE_DOMAIN,                          \
	  "source address for IPv4 connections to remote servers; empty: the system chooses; by the sender's domain") \
	S(smtp_out, outbound_ipv6, TEXT, "", "ipv6", 0, 64, SCOPE_DOMAIN, "the same for IPv6")     \
	S(smtp_out, enable_primary_ip_on_failure, BOOL, "off", "", 0, 1, SCOPE_GLOBAL,             \
	  "if the address above cannot be used or connecting from it fails, try once from the system's own") \
	S(smtp_out, command_timeout, DURATION, "60", "s", SEC_MS, DAY_MS, SCOPE_GLOBAL,            \
	  "a remote server that does not answer a command for this long is given up")              \
	S(smtp_out, max_spam_check_threads, INT, "30", "", 0, 10000, SCOPE_GLOBAL,                 \
	  "messages spam-checked at once, per worker; 0: none is checked")                                             \
	S(smtp_out, max_delivery_threads, INT, "50", "", 1, 10000, SCOPE_GLOBAL,                   \
	  "messages sent to remote servers at once, per worker")                                   \
	S(smtp_out, max_local_threads, INT, "200", "", 1, 10000, SCOPE_GLOBAL,                     \
	  "messages filed into local mailboxes at once, per worker")                               \
	S(smtp_out, enable_dns_caching, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, "answers of DNS are cached") \
	S(smtp_out, enable_tls, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, "TLS wherever the remote server offers it") \
	S(smtp_out, enable_dane, BOOL, "on", "", 0, 1, SCOPE_GLOBAL,                               \
	  "certificates are checked by TLSA records, where DNSSEC vouches for them (RFC 7672)")    \
	S(smtp_out, enable_mta_sts, BOOL, "on", "", 0, 1, SCOPE_GLOBAL,                            \
	  "the TLS policies that domains publish by MTA-STS are kept to (RFC 8461)")               \
	S(smtp_out, tls_reports, BOOL, "off", "", 0, 1, SCOPE_GLOBAL,                              \
	  "TLS sessions are counted, and a report sent daily to domains that ask for it (RFC 8460)") \
	S(smtp_out, tls_report_from, TEXT, "", "", 0, 254, SCOPE_GLOBAL,                           \
	  "address that TLS reports come from; its domain, or one above it, must have a DKIM key; empty: postmaster@ the server's hostname") \
	S(smtp_out, tls_report_organization, TEXT, "", "", 0, 200, SCOPE_GLOBAL,                   \
	  "organization-name in TLS reports; empty: the domain of tls_report_from")                \
	S(smtp_out, tls_report_contact, TEXT, "", "", 0, 254, SCOPE_GLOBAL,                        \
	  "contact-info in TLS reports; empty: tls_report_from")                                   \
	S(smtp_out, tls_report_spread, DURATION, "4", "h", 0, 12 * HOUR_MS, SCOPE_GLOBAL,          \
	  "TLS reports of a day are spread over this long after its end")                          \
	S(smtp_out, append_authenticated_header, BOOL, "off", "", 0, 1, SCOPE_GLOBAL,              \
	  "adds x-smartermail-authenticatedas: <account> to what an authenticated user sends out") \
	S(smtp_out, relay_host, TEXT, "", "host", 0, 300, SCOPE_DOMAIN,                                \
	  "host[:port] or [address][:port] to which all remote mail goes; empty: by MX; by the sender's domain") \
	S(smtp_out, relay_user, TEXT, "", "", 0, 300, SCOPE_DOMAIN,                                \
	  "name with which to log in at relay_host; empty: no login; by the sender's domain")      \
	S(smtp_out, relay_password, TEXT, "", "secret", 0, 300, SCOPE_DOMAIN,                      \
	  "its password; sent as it is over TLS only, or not at all where the relay does SCRAM-SHA-256") \
	S(smtp_out, client_certificate, TEXT, "", "", 0, 1000, SCOPE_GLOBAL,                       \
	  "PEM file on the workers' hosts, certificate chain and key, shown to servers that ask for one; empty: none") \
	S(smtp_out, port, INT, "25", "", 1, 65535, SCOPE_GLOBAL, "port of remote servers")         \
	S(smtp_out, max_connections_per_destination, INT, "20", "", 1, 10000, SCOPE_GLOBAL,        \
	  "messages sent to one destination at once")

#define SETTINGS_DESTINATION(S)                                                                    \
	S(destination, max_connections, INT, "0", "", 0, 10000, SCOPE_DOMAIN,                      \
	  "messages sent there at once, by the whole cluster; 0: as settings:smtp-out max_connections_per_destination") \
	S(destination, max_messages_per_minute, INT, "0", "", 0, 10000000, SCOPE_DOMAIN,           \
	  "messages begun there in a minute, by the whole cluster; 0: no limit")

#define SETTINGS_XMPP(S)                                                                           \
	S(xmpp, max_connections, INT, "1000", "", 1, 1000000, SCOPE_GLOBAL | PLANNED, "per frontend process") \
	S(xmpp, web_chat_url_listeners, LIST, "http://+:80/http-bind/", "", 0, 2000, SCOPE_GLOBAL | PLANNED, \
	  "the URLs on which BOSH listens; + stands for every address; ports are shifted by the port base")

#define SETTINGS_EWS(S)                                                                            \
	S(ews, modification_auto_clean, DURATION, "30", "d", HOUR_MS, 3650 * DAY_MS, SCOPE_GLOBAL | PLANNED, \
	  "sync sessions not used for this long are purged")                                       \
	S(ews, autodiscover_host, TEXT, "", "", 0, 255, SCOPE_DOMAIN | PLANNED, "what an autodiscover query is told; empty: the server's hostname")

#define SETTINGS_EAS(S)                                                                            \
	S(eas, autodiscover_host, TEXT, "", "", 0, 255, SCOPE_DOMAIN | PLANNED, "what an autodiscover query is told; empty: the server's hostname")

#define SETTINGS_SPOOL(S)                                                                          \
	S(spool, retry_first, DURATION, "5", "m", SEC_MS, DAY_MS, SCOPE_GLOBAL,                    \
	  "wait after the first temporary failure; doubled for each further one")                  \
	S(spool, retry_longest, DURATION, "4", "h", SEC_MS, 7 * DAY_MS, SCOPE_GLOBAL, "longest wait between two tries") \
	S(spool, expire_after, DURATION, "5", "d", MIN_MS, 60 * DAY_MS, SCOPE_GLOBAL,              \
	  "a recipient not reached for this long is given up and the sender told")                 \
	S(spool, bounce_expire_after, DURATION, "5", "d", MIN_MS, 60 * DAY_MS, SCOPE_GLOBAL, "the same for bounces") \
	S(spool, delay_warning_after, DURATION, "4", "h", 0, 60 * DAY_MS, SCOPE_GLOBAL,            \
	  "the sender is told once that a message is late; 0: never")                              \
	S(spool, stall_after, DURATION, "1", "m", SEC_MS, DAY_MS, SCOPE_GLOBAL,                    \
	  "a queue that has mail to try and tries none, or a store that takes no writes, is named so long after") \
	S(spool, trace_retention, DURATION, "2", "d", 0, 365 * DAY_MS, SCOPE_GLOBAL,               \
	  "how long stagepost trace knows a message that has left the queue")                      \
	S(spool, events_kept, INT, "20000", "", 0, 100000000, SCOPE_GLOBAL,                        \
	  "delivery events that the store keeps for those who read them (stagepost events); 0: none are written") \
	S(spool, job_lease, DURATION, "30", "s", SEC_MS, HOUR_MS, SCOPE_GLOBAL,                    \
	  "a worker that does not renew a job for this long has lost it")                          \
	S(spool, min_free_space, SIZE, "100M", "", 0, INT64_MAX, SCOPE_GLOBAL,                     \
	  "with less space free in the blob store new mail is refused for now (SMTP 452, APPEND); what is needed for reports and to make room; 0: no reserve") \
	S(spool, sweep, BOOL, "on", "", 0, 1, SCOPE_GLOBAL,                                        \
	  "one worker at a time looks for bodies that nothing refers to, and releases them")       \
	S(spool, sweep_interval, DURATION, "12", "h", SEC_MS, 30 * DAY_MS, SCOPE_GLOBAL,           \
	  "from the end of a sweep to the next; what one finds is released by one that comes 7 hours later or more") \
	S(spool, sweep_share, INT, "5", "", 1, 100, SCOPE_GLOBAL,                                  \
	  "percent of the time that Redis and the disk work for a sweep at most")                  \
	S(spool, sweep_age, DURATION, "24", "h", SEC_MS, 30 * DAY_MS, SCOPE_GLOBAL,                \
	  "younger bodies are left alone by a sweep")

#define SETTINGS_AUTH(S)                                                                           \
	S(auth, cache_time, DURATION, "5", "m", 0, DAY_MS, SCOPE_GLOBAL,                           \
	  "a password that was right is remembered in memory, under a keyed hash, for this long")  \
	S(auth, failure_delay, DURATION, "1", "s", 0, MIN_MS, SCOPE_GLOBAL,                        \
	  "wait after a failed login; doubled for each further failure of the address or account") \
	S(auth, failure_delay_longest, DURATION, "30", "s", 0, 10 * MIN_MS, SCOPE_GLOBAL, "longest such wait") \
	S(auth, failure_window, DURATION, "15", "m", SEC_MS, DAY_MS, SCOPE_GLOBAL, "failures older than this are forgotten")

#define SETTINGS_MAILBOX(S)                                                                        \
	S(mailbox, plus_addressing, BOOL, "on", "", 0, 1, SCOPE_DOMAIN,                            \
	  "user+detail@domain is delivered to user@domain")                                        \
	S(mailbox, postmaster, TEXT, "", "address", 0, 320, SCOPE_GLOBAL,                          \
	  "who gets the mail for postmaster and abuse of the domains that have no admin and no such account; empty: it is kept in the queue until there is somebody") \
	S(mailbox, default_quota, SIZE, "0", "", 0, INT64_MAX, SCOPE_DOMAIN, "bytes an account may hold unless it says otherwise; 0: no limit") \
	S(mailbox, when_full, ENUM, "later", "later|refuse|report", 0, 2, SCOPE_DOMAIN,            \
	  "RCPT for a mailbox without room: refused for now (452), refused for good (552), or taken, and the sender gets a report; a message larger than the whole quota is refused for good unless it is report; by the recipient's domain") \
	S(mailbox, tombstone_retention, DURATION, "30", "d", HOUR_MS, 3650 * DAY_MS, SCOPE_GLOBAL, \
	  "how long the change log knows what was expunged")

#define SETTINGS_SPAM(S)                                                                           \
	S(spam, engine, LIST, "", "rspamd|spamd", 0, 8, SCOPE_GLOBAL,                              \
	  "who is asked, before delivery, whether a message is spam; one that fails gives way to the next; empty: nobody, no message is checked") \
	S(spam, check_authenticated, BOOL, "off", "", 0, 1, SCOPE_GLOBAL,                          \
	  "what authenticated users submit is checked too")                                        \
	S(spam, max_size, SIZE, "2M", "", 0, INT64_MAX, SCOPE_GLOBAL, "larger messages are not checked; 0: no limit") \
	S(spam, timeout, DURATION, "30", "s", SEC_MS, HOUR_MS, SCOPE_GLOBAL,                       \
	  "an engine that has not answered for this long is given up for the message")             \
	S(spam, unavailable, ENUM, "accept", "accept|defer", 0, 1, SCOPE_GLOBAL,                   \
	  "when no engine answers: the message is delivered unchecked after unavailable_after, or waits until one does") \
	S(spam, unavailable_after, DURATION, "5", "m", 0, DAY_MS, SCOPE_GLOBAL,                    \
	  "how long a message waits for its check, from its acceptance on")                        \
	S(spam, spam_action, ENUM, "junk", "junk|tag|none", 0, 2, SCOPE_DOMAIN,                    \
	  "what is spam is filed in the Junk folder, with the keyword $Junk; only gets the keyword; or neither; by the recipient's domain") \
	S(spam, outbound_spam, ENUM, "send", "send|hold", 0, 1, SCOPE_DOMAIN,                      \
	  "what is spam and goes to remote servers is sent like all else, or held in the queue for the operator; by the sender's domain")

#define SETTINGS_AUTODISCOVER(S, group, default_port)                                              \
	S(group, autodiscover_host, TEXT, "", "", 0, 255, SCOPE_DOMAIN | PLANNED,                            \
	  "what an autodiscover query is told; empty: the server's hostname")                      \
	S(group, autodiscover_port, INT, default_port, "", 1, 65535, SCOPE_DOMAIN | PLANNED, "port that an autodiscover query is told") \
	S(group, autodiscover_ssl, BOOL, "on", "", 0, 1, SCOPE_DOMAIN | PLANNED, "whether that port is TLS from the start")

#endif
