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
 * address or empty, "host" a host[:port], "https" an https URL, "address" a mail
 * address; "secret" keeps it out of lists. The unit "a|b" of a LIST
 * makes its entries URLs, a://host[:port]; "listen" makes them those of listeners
 * (lib/base/listen_url.h), "listen-host" the same without a path; "milter" makes
 * them places of milters (lib/base/milter_url.h).
 *
 * `| PLANNED` after the scope: nothing uses the field yet. It can be set, and the
 * tool and the page say that it has no effect. The flag is removed with the first
 * reader (tests/tables.py fails if a field with the flag is read somewhere, or one
 * without it nowhere). */
#ifndef SP_SETTINGS_TABLE_H
#define SP_SETTINGS_TABLE_H

#define SEC_MS	(INT64_C(1000))
#define MIN_MS	(60 * SEC_MS)
#define HOUR_MS (60 * MIN_MS)
#define DAY_MS	(24 * HOUR_MS)

/* clang-format off */
/* The hash names, and the C names of their structs. */
#define SETTINGS_GROUPS(G) \
	G(pop, "pop", "POP3 server, and retrieval from remote POP accounts") \
	G(imap, "imap", "IMAP server, and retrieval from remote IMAP accounts") \
	G(ldap, "ldap", "LDAP server") \
	G(smtp_in, "smtp-in", "SMTP server and submission") \
	G(smtp_out, "smtp-out", "Delivery to remote servers") \
	G(destination, "destination", "Limits for each destination, by recipient domain or MX host") \
	G(xmpp, "xmpp", "XMPP server (planned)") \
	G(ews, "ews", "Exchange Web Services (planned)") \
	G(eas, "eas", "Exchange ActiveSync (planned)") \
	G(http, "http", "HTTP server: autodiscover, MTA-STS policy, administration page and API") \
	G(acme, "acme", "Certificates from a certificate authority (ACME, RFC 8555)") \
	G(spool, "spool", "The queue: retries, expiry, traces") \
	G(auth, "auth", "Passwords and failed logins") \
	G(mailbox, "mailbox", "Local delivery and mailboxes") \
	G(spam, "spam", "Spam checks by rspamd or SpamAssassin, virus scans by ClamAV") \
	G(mail_auth, "mail-auth", "SPF, DKIM, DMARC and ARC of incoming mail")

#define SETTINGS_POP(S) \
	S(pop, banner, TEXT, "+OK #HostName# POP3 server ready", "", 0, 500, SCOPE_GLOBAL, \
	  "greeting; +OK is added in front if it is missing; variables: #HostName#, #ConnectedIP#, #Time#, #TimeUTC#, #UnixTime#") \
	S(pop, command_timeout, DURATION, "5", "m", SEC_MS, DAY_MS, SCOPE_GLOBAL, \
	  "a session is closed after this long without a command, or without further data of a command") \
	S(pop, max_bad_commands, INT, "8", "", 1, 1000, SCOPE_GLOBAL, "a connection is closed after this many bad commands") \
	S(pop, max_connections, INT, "500", "", 1, 1000000, SCOPE_GLOBAL, \
	  "limit for each frontend process; further connections get -ERR and are closed") \
	S(pop, retrieval_download_path, TEXT, "/var/lib/stagepost/retrieval/pop", "", 1, 1000, SCOPE_GLOBAL | PLANNED, \
	  "directory for mail fetched from remote POP accounts, until the spool has taken it") \
	S(pop, max_retrieval_threads, INT, "10", "", 0, 10000, SCOPE_GLOBAL, \
	  "remote POP accounts that one worker reads at the same time") \
	S(pop, retrieval_interval, DURATION, "1", "m", SEC_MS, 30 * DAY_MS, SCOPE_GLOBAL, \
	  "time between two checks of a remote POP account") \
	S(pop, retrieval_spam_check, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, \
	  "messages from remote POP accounts go through the spam check, if there is one") \
	S(pop, login_delay, DURATION, "0", "s", 0, DAY_MS, SCOPE_GLOBAL, \
	  "minimum time between two logins to the same maildrop (LOGIN-DELAY); 0: no delay") \
	S(pop, allow_insecure_auth, BOOL, "off", "", 0, 1, SCOPE_GLOBAL, \
	  "accept passwords without TLS from hosts other than loopback") \
	S(pop, proxy_protocol_from, CIDRS, "", "", 0, 4096, SCOPE_GLOBAL, \
	  "load balancers that must send a PROXY protocol header") \
	S(pop, retrieval_private_hosts, CIDRS, "", "", 0, 4096, SCOPE_GLOBAL, \
	  "IP addresses and CIDR blocks that are not public (loopback, private networks) and from which mail may be retrieved all the same; others are refused, as users could look around in the internal network with them") \
	SETTINGS_AUTODISCOVER(S, pop, "995")

#define SETTINGS_IMAP(S) \
	S(imap, banner, TEXT, "#HostName# IMAP4 server ready", "", 0, 500, SCOPE_GLOBAL, \
	  "greeting, after * OK [CAPABILITY ...]") \
	S(imap, command_timeout, DURATION, "15", "m", SEC_MS, DAY_MS, SCOPE_GLOBAL, \
	  "a command is aborted, and a session before login closed, after this long without further data; after login a session may be idle for this long, and at least 31 minutes") \
	S(imap, max_bad_commands, INT, "8", "", 1, 1000, SCOPE_GLOBAL, "a connection is closed after this many bad commands") \
	S(imap, max_connections, INT, "1000", "", 1, 1000000, SCOPE_GLOBAL, "limit for each frontend process") \
	S(imap, retrieval_download_path, TEXT, "/var/lib/stagepost/retrieval/imap", "", 1, 1000, SCOPE_GLOBAL | PLANNED, \
	  "directory for mail fetched from remote IMAP accounts, until the spool has taken it") \
	S(imap, max_retrieval_threads, INT, "10", "", 0, 10000, SCOPE_GLOBAL, \
	  "remote IMAP accounts that one worker reads at the same time") \
	S(imap, retrieval_interval, DURATION, "10", "m", SEC_MS, 30 * DAY_MS, SCOPE_GLOBAL, \
	  "time between two checks of a remote IMAP account") \
	S(imap, retrieval_spam_check, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, \
	  "messages from the INBOX of remote IMAP accounts go through the spam check, if there is one; a move of a whole mailbox does not") \
	S(imap, retrieval_idle, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, \
	  "wait for new mail with IDLE where a remote server offers it, between the checks") \
	S(imap, max_retrieval_idle, INT, "1000", "", 0, 1000000, SCOPE_GLOBAL, \
	  "connections of one worker that wait with IDLE; further accounts are checked every retrieval_interval only") \
	S(imap, enable_idle, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, "announce and accept IDLE") \
	S(imap, allow_insecure_auth, BOOL, "off", "", 0, 1, SCOPE_GLOBAL, \
	  "accept passwords without TLS from hosts other than loopback") \
	S(imap, max_message_size, SIZE, "100M", "", 0, INT64_MAX, SCOPE_GLOBAL, \
	  "largest message that APPEND accepts (APPENDLIMIT); 0: no limit") \
	S(imap, proxy_protocol_from, CIDRS, "", "", 0, 4096, SCOPE_GLOBAL, \
	  "load balancers that must send a PROXY protocol header") \
	S(imap, retrieval_private_hosts, CIDRS, "", "", 0, 4096, SCOPE_GLOBAL, \
	  "IP addresses and CIDR blocks that are not public (loopback, private networks) and from which mail may be retrieved all the same; others are refused, as users could look around in the internal network with them") \
	SETTINGS_AUTODISCOVER(S, imap, "993")

#define SETTINGS_LDAP(S) \
	S(ldap, session_timeout, DURATION, "300", "s", SEC_MS, DAY_MS, SCOPE_GLOBAL, \
	  "a session is closed after this long without a command") \
	S(ldap, command_timeout, DURATION, "120", "s", SEC_MS, DAY_MS, SCOPE_GLOBAL, \
	  "a command is aborted after this long without further data; longest time of a search") \
	S(ldap, max_bad_commands, INT, "8", "", 1, 1000, SCOPE_GLOBAL, "a connection is closed after this many bad requests") \
	S(ldap, max_connections, INT, "1000", "", 1, 1000000, SCOPE_GLOBAL, "limit for each frontend process") \
	S(ldap, allow_insecure_auth, BOOL, "off", "", 0, 1, SCOPE_GLOBAL, \
	  "accept passwords without TLS from hosts other than loopback") \
	S(ldap, client_authorities, TEXT, "", "", 0, 1000, SCOPE_GLOBAL, \
	  "file (PEM), on every frontend's machine, of the authorities whose certificates clients may log in with (SASL EXTERNAL); empty: no such logins") \
	S(ldap, visibility, ENUM, "own_domain", "own_domain|all_domains|self", 0, 2, SCOPE_DOMAIN, \
	  "whom users may see in the directory: the accounts and aliases of their own domain, of all domains, or only themselves") \
	S(ldap, size_limit, INT, "1000", "", 0, 1000000, SCOPE_GLOBAL, \
	  "entries in the answer to one search, or in one page of it; 0: no limit") \
	S(ldap, book_max, INT, "500000", "", 0, 100000000, SCOPE_GLOBAL, \
	  "a search is refused if it is expected to look at more entries of an address book; 0: no limit") \
	S(ldap, posix_accounts, BOOL, "off", "", 0, 1, SCOPE_DOMAIN, \
	  "accounts are posixAccounts too, for logins on Linux machines; their numbers stay the same for ever. Set `minimum_uid` for `pam_ldap.so` to `posix_first_number`, or accounts can log in as local users of the same name") \
	S(ldap, posix_groups, LIST, "", "", 0, 200, SCOPE_DOMAIN, \
	  "aliases that are posixGroups too, by the part before the @; who may change such an alias decides who is in the group") \
	S(ldap, posix_first_number, INT, "10000", "", 1000, INT32_MAX, SCOPE_GLOBAL, "lowest uidNumber or gidNumber to give out") \
	S(ldap, posix_last_number, INT, "59999", "", 1000, INT32_MAX, SCOPE_GLOBAL, "highest one") \
	S(ldap, posix_primary_group, INT, "100", "", 1, INT32_MAX, SCOPE_DOMAIN, \
	  "gidNumber of every posixAccount; 100 is the group `users` of most systems") \
	S(ldap, posix_home, TEXT, "/home/#User#", "", 1, 200, SCOPE_DOMAIN, "homeDirectory; variables: #User#, #Domain#") \
	S(ldap, posix_shell, TEXT, "/bin/bash", "", 1, 200, SCOPE_DOMAIN, "loginShell") \
	S(ldap, proxy_protocol_from, CIDRS, "", "", 0, 4096, SCOPE_GLOBAL, \
	  "load balancers that must send a PROXY protocol header")

#define SETTINGS_SMTP_IN(S) \
	S(smtp_in, banner, TEXT, "#HostName# ESMTP", "", 0, 500, SCOPE_GLOBAL, "greeting, after 220") \
	S(smtp_in, allow_relay, ENUM, "nobody", "nobody|local_users|local_domains|anyone", 0, 3, SCOPE_GLOBAL, \
	  "who may send to remote recipients without authentication, besides relay_whitelist: nobody, local_users (MAIL FROM is an account here), local_domains (the domain of MAIL FROM is local) or anyone (an open relay)") \
	S(smtp_in, relay_whitelist, CIDRS, "", "", 0, 4096, SCOPE_GLOBAL, \
	  "IP addresses and CIDR blocks that may always relay") \
	S(smtp_in, session_timeout, DURATION, "15", "m", SEC_MS, DAY_MS, SCOPE_GLOBAL, \
	  "a session is closed after this long without a command") \
	S(smtp_in, session_timeout_enabled, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, "apply session_timeout") \
	S(smtp_in, command_timeout, DURATION, "120", "s", SEC_MS, DAY_MS, SCOPE_GLOBAL, \
	  "a session is closed after this long without further data of a command or message") \
	S(smtp_in, max_bad_commands, INT, "8", "", 1, 1000, SCOPE_GLOBAL, "a connection is closed after this many bad commands") \
	S(smtp_in, max_connections, INT, "1000", "", 1, 1000000, SCOPE_GLOBAL, \
	  "limit for each frontend process; further connections get 421") \
	S(smtp_in, max_hop_count, INT, "20", "", 1, 1000, SCOPE_GLOBAL, \
	  "messages with more Received lines are refused (5.4.6)") \
	S(smtp_in, max_message_size, SIZE, "0", "", 0, INT64_MAX, SCOPE_GLOBAL, \
	  "largest message, announced by SIZE and checked at MAIL and while data arrives; 0: no limit") \
	S(smtp_in, max_recipients, INT, "1000", "", 100, 100000, SCOPE_GLOBAL, \
	  "recipients of one message (LIMITS RCPTMAX); further ones get 452") \
	S(smtp_in, max_bad_recipients, INT, "20", "", 1, 100000, SCOPE_GLOBAL, \
	  "a session is closed after this many refused recipients") \
	S(smtp_in, append_received_line, ENUM, "all", "all|authenticated|none", 0, 2, SCOPE_GLOBAL, \
	  "messages that get a Received line") \
	S(smtp_in, require_auth_match, ENUM, "none", "none|domain|email", 0, 2, SCOPE_GLOBAL, \
	  "what MAIL FROM and the From header of an authenticated user must match: nothing, the domain, or the address") \
	S(smtp_in, max_messages_per_session, INT, "0", "", 0, 1000000, SCOPE_GLOBAL, "messages that one session may send; 0: no limit") \
	S(smtp_in, enable_vrfy, BOOL, "off", "", 0, 1, SCOPE_GLOBAL, "answer VRFY") \
	S(smtp_in, enable_expn, BOOL, "off", "", 0, 1, SCOPE_GLOBAL, "answer EXPN") \
	S(smtp_in, allow_relay_for_authenticated, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, \
	  "let authenticated users send to remote recipients") \
	S(smtp_in, require_auth_for_local_delivery, BOOL, "off", "", 0, 1, SCOPE_DOMAIN, \
	  "require authentication for mail from a local domain to a local domain") \
	S(smtp_in, priority, ENUM, "normal", "low|normal|high", 0, 2, SCOPE_DOMAIN, \
	  "priority of what the users of a domain send, in the queue and on servers with MT-PRIORITY") \
	S(smtp_in, allow_high_priority, BOOL, "off", "", 0, 1, SCOPE_DOMAIN, \
	  "let users ask for a higher priority by MT-PRIORITY (RFC 6710); they may always ask for a lower one") \
	S(smtp_in, disable_auth_login, BOOL, "off", "", 0, 1, SCOPE_GLOBAL, \
	  "neither announce nor accept AUTH LOGIN and PLAIN") \
	S(smtp_in, allow_insecure_auth, BOOL, "off", "", 0, 1, SCOPE_GLOBAL, \
	  "accept AUTH without TLS from hosts other than loopback") \
	S(smtp_in, proxy_protocol_from, CIDRS, "", "", 0, 4096, SCOPE_GLOBAL, \
	  "load balancers that must send a PROXY protocol header") \
	S(smtp_in, max_per_address, INT, "100", "", 0, 1000000, SCOPE_GLOBAL, \
	  "connections that one address (IPv6: a network of 64 bits) may have open to each frontend process; 0: no limit; " \
	  "this host and relay_whitelist have none; behind a load balancer set proxy_protocol_from first") \
	S(smtp_in, address_messages_per_minute, INT, "0", "", 0, 1000000, SCOPE_GLOBAL, \
	  "messages from one address that is not logged in, over all frontends; 0: no limit; relay_whitelist has none") \
	S(smtp_in, address_recipients_per_minute, INT, "0", "", 0, 1000000, SCOPE_GLOBAL, "the same for recipients") \
	S(smtp_in, account_messages_per_hour, INT, "0", "", 0, 1000000, SCOPE_DOMAIN, \
	  "messages that one account may submit, over all frontends; 0: no limit") \
	S(smtp_in, account_recipients_per_hour, INT, "0", "", 0, 1000000, SCOPE_DOMAIN, \
	  "recipients that one account may send to, over all frontends; 0: no limit") \
	S(smtp_in, milters, LIST, "", "milter", 0, 16, SCOPE_GLOBAL, \
	  "milters asked, in this order, about mail from unauthenticated clients, after its data: inet:ADDRESS:PORT, inet6:[ADDRESS]:PORT, unix:/PATH") \
	S(smtp_in, submission_milters, LIST, "", "milter", 0, 16, SCOPE_GLOBAL, \
	  "the same for mail of authenticated users, of the submission ports and of hosts of relay_whitelist, before it is signed") \
	S(smtp_in, milter_default_action, ENUM, "tempfail", "accept|tempfail|reject", 0, 2, SCOPE_GLOBAL, \
	  "when a milter cannot be asked or answers wrongly: accept goes on without it, tempfail answers 451, reject 550") \
	S(smtp_in, milter_connect_timeout, DURATION, "30", "s", 100, HOUR_MS, SCOPE_GLOBAL, \
	  "how long the connection to a milter may take") \
	S(smtp_in, milter_command_timeout, DURATION, "30", "s", 100, HOUR_MS, SCOPE_GLOBAL, \
	  "how long to wait for a milter's answer to a command") \
	S(smtp_in, milter_content_timeout, DURATION, "300", "s", 100, HOUR_MS, SCOPE_GLOBAL, \
	  "how long to wait for a milter's answer to the end of a message, and for each sign of progress") \
	S(smtp_in, mta_sts, ENUM, "off", "off|none|testing|enforce", 0, 3, SCOPE_DOMAIN, \
	  "mode of the MTA-STS policy (RFC 8461) at https://mta-sts.DOMAIN/.well-known/mta-sts.txt; off: no policy; none withdraws one") \
	S(smtp_in, mta_sts_mx, LIST, "", "", 0, 60, SCOPE_DOMAIN, \
	  "mail servers in the MTA-STS policy, as mx.example.com or *.example.com; empty: the server's hostname") \
	S(smtp_in, mta_sts_max_age, DURATION, "7", "d", MIN_MS, 366 * DAY_MS, SCOPE_DOMAIN, \
	  "how long other servers keep the MTA-STS policy") \
	SETTINGS_AUTODISCOVER(S, smtp_in, "465")

#define SETTINGS_SMTP_OUT(S) \
	S(smtp_out, outbound_ipv4, TEXT, "", "ipv4", 0, 64, SCOPE_DOMAIN, \
	  "source address of IPv4 connections to remote servers, by the sender's domain; empty: the system chooses") \
	S(smtp_out, outbound_ipv6, TEXT, "", "ipv6", 0, 64, SCOPE_DOMAIN, "source address of IPv6 connections to remote servers, by the sender's domain; empty: the system chooses") \
	S(smtp_out, enable_primary_ip_on_failure, BOOL, "off", "", 0, 1, SCOPE_GLOBAL, \
	  "try once from the system's own address if outbound_ipv4 or outbound_ipv6 cannot be used") \
	S(smtp_out, command_timeout, DURATION, "60", "s", SEC_MS, DAY_MS, SCOPE_GLOBAL, \
	  "how long to wait for a remote server's answer to a command") \
	S(smtp_out, max_spam_check_threads, INT, "30", "", 0, 10000, SCOPE_GLOBAL, \
	  "spam checks that one worker runs at the same time; 0: no message is checked") \
	S(smtp_out, max_delivery_threads, INT, "50", "", 1, 10000, SCOPE_GLOBAL, \
	  "messages that one worker sends to remote servers at the same time") \
	S(smtp_out, max_local_threads, INT, "200", "", 1, 10000, SCOPE_GLOBAL, \
	  "messages that one worker delivers to local mailboxes at the same time") \
	S(smtp_out, enable_dns_caching, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, "cache DNS answers") \
	S(smtp_out, enable_tls, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, "use TLS where the remote server offers it") \
	S(smtp_out, enable_dane, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, \
	  "verify certificates by TLSA records that DNSSEC has authenticated (RFC 7672)") \
	S(smtp_out, enable_mta_sts, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, \
	  "follow the MTA-STS policies of recipient domains (RFC 8461)") \
	S(smtp_out, tls_reports, BOOL, "off", "", 0, 1, SCOPE_GLOBAL, \
	  "count TLS sessions, and send a daily report to the domains that ask for one (RFC 8460)") \
	S(smtp_out, tls_report_from, TEXT, "", "", 0, 254, SCOPE_GLOBAL, \
	  "sender of TLS reports; its domain or a parent domain must have a DKIM key; empty: postmaster at the server's hostname") \
	S(smtp_out, tls_report_organization, TEXT, "", "", 0, 200, SCOPE_GLOBAL, \
	  "organization-name in TLS reports; empty: the domain of tls_report_from") \
	S(smtp_out, tls_report_contact, TEXT, "", "", 0, 254, SCOPE_GLOBAL, \
	  "contact-info in TLS reports; empty: tls_report_from") \
	S(smtp_out, tls_report_spread, DURATION, "4", "h", 0, 12 * HOUR_MS, SCOPE_GLOBAL, \
	  "the TLS reports of a day are sent at random times within this long after its end") \
	S(smtp_out, append_authenticated_header, BOOL, "off", "", 0, 1, SCOPE_GLOBAL, \
	  "add the header x-smartermail-authenticatedas: <account> to messages of authenticated users") \
	S(smtp_out, relay_host, TEXT, "", "host", 0, 300, SCOPE_DOMAIN, \
	  "relay for all remote mail, host[:port] or [address][:port], by the sender's domain; empty: deliver by MX. A domain with a relay_host of its own needs its own relay_user and relay_password: it does not use the common ones") \
	S(smtp_out, relay_user, TEXT, "", "", 0, 300, SCOPE_DOMAIN, \
	  "user name for relay_host, by the sender's domain; empty: no login") \
	S(smtp_out, relay_password, TEXT, "", "secret", 0, 300, SCOPE_DOMAIN, \
	  "password for relay_host; it is sent only over TLS, and never to a relay that offers SCRAM-SHA-256") \
	S(smtp_out, client_certificate, TEXT, "", "", 0, 1000, SCOPE_GLOBAL, \
	  "PEM file with certificate chain and key, on the workers' hosts, for servers that ask for a client certificate; empty: none") \
	S(smtp_out, port, INT, "25", "", 1, 65535, SCOPE_GLOBAL, "port of remote servers") \
	S(smtp_out, max_connections_per_destination, INT, "20", "", 1, 10000, SCOPE_GLOBAL, \
	  "messages sent to one destination at the same time")

#define SETTINGS_DESTINATION(S) \
	S(destination, max_connections, INT, "0", "", 0, 10000, SCOPE_DOMAIN, \
	  "messages that the cluster sends to the destination at the same time; 0: max_connections_per_destination of settings:smtp-out") \
	S(destination, max_messages_per_minute, INT, "0", "", 0, 10000000, SCOPE_DOMAIN, \
	  "messages that the cluster sends to the destination in a minute; 0: no limit")

#define SETTINGS_XMPP(S) \
	S(xmpp, max_connections, INT, "1000", "", 1, 1000000, SCOPE_GLOBAL | PLANNED, "limit for each frontend process") \
	S(xmpp, web_chat_url_listeners, LIST, "http://+:80/http-bind/", "listen", 0, 100, SCOPE_GLOBAL | PLANNED, \
	  "URLs of the BOSH listeners; + means all addresses; the port base is added to the ports")

#define SETTINGS_EWS(S) \
	S(ews, modification_auto_clean, DURATION, "30", "d", HOUR_MS, 3650 * DAY_MS, SCOPE_GLOBAL | PLANNED, \
	  "sync sessions are removed when they have not been used for this long") \
	S(ews, autodiscover_host, TEXT, "", "", 0, 255, SCOPE_DOMAIN | PLANNED, "host name in autodiscover answers; empty: the server's hostname")

#define SETTINGS_EAS(S) \
	S(eas, autodiscover_host, TEXT, "", "", 0, 255, SCOPE_DOMAIN | PLANNED, "host name in autodiscover answers; empty: the server's hostname")

#define SETTINGS_HTTP(S) \
	S(http, max_connections, INT, "10000", "", 1, 1000000, SCOPE_GLOBAL, \
	  "limit for each frontend process; further connections get 503 and are closed") \
	S(http, listeners, LIST, "", "listen-host", 0, 50, SCOPE_GLOBAL, \
	  "addresses on which HTTP is served besides ports 80 and 443, as http://+:8080 or https://192.0.2.1:8443; + means all addresses; the port base is added to the ports") \
	S(http, max_per_address, INT, "1000", "", 0, 1000000, SCOPE_GLOBAL, \
	  "limit for each client address (IPv6: each /64 network) and frontend process; the balancers in forwarded_from are exempt; 0: no limit") \
	S(http, keep_alive_timeout, DURATION, "75", "s", SEC_MS, DAY_MS, SCOPE_GLOBAL, \
	  "a connection is closed after this long without a request") \
	S(http, header_timeout, DURATION, "30", "s", SEC_MS, HOUR_MS, SCOPE_GLOBAL, \
	  "a request must have its whole header within this time after its first byte") \
	S(http, park_longest, DURATION, "60", "m", SEC_MS, DAY_MS, SCOPE_GLOBAL, \
	  "longest time that a request waits for news (long polls); the timeouts of balancers must be longer") \
	S(http, websocket_ping, DURATION, "30", "s", SEC_MS, HOUR_MS, SCOPE_GLOBAL, \
	  "a WebSocket on which nothing has come for this long is pinged, and closed if nothing comes for twice this long then; the timeouts of balancers must be longer") \
	S(http, live_viewers, INT, "50", "", 0, 10000, SCOPE_GLOBAL, \
	  "limit for each frontend process: how many may watch GET /api/v1/live; further ones get 503") \
	S(http, redirect_to_https, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, \
	  "redirect GET and HEAD without TLS from hosts other than loopback to https; off: refuse them with 403, as all other requests are") \
	S(http, forwarded_from, CIDRS, "", "", 0, 4096, SCOPE_GLOBAL, \
	  "load balancers whose Forwarded, X-Forwarded-For and X-Forwarded-Proto are believed; they end TLS unless they say otherwise. They must remove or overwrite the fields of these names that clients send") \
	S(http, proxy_protocol_from, CIDRS, "", "", 0, 4096, SCOPE_GLOBAL, \
	  "load balancers that must send a PROXY protocol header")

#define SETTINGS_ACME(S) \
	S(acme, directory_url, TEXT, "", "https", 0, 1000, SCOPE_GLOBAL, \
	  "the directory of the certificate authority, such as https://acme-v02.api.letsencrypt.org/directory; empty: no certificates are ordered") \
	S(acme, contact, TEXT, "", "address", 0, 320, SCOPE_GLOBAL, \
	  "the mail address that the authority may write to; empty: no certificates are ordered") \
	S(acme, agree_terms, BOOL, "off", "", 0, 1, SCOPE_GLOBAL, \
	  "agree to the authority's terms of service; most authorities demand it") \
	S(acme, names, LIST, "", "", 0, 1000, SCOPE_GLOBAL, \
	  "further host names that need a certificate; the server's own, those of the domains and those in autodiscover answers need not be listed") \
	S(acme, check_dns, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, \
	  "order certificates of domains only for names that have an address of the server's name, or of one in names") \
	S(acme, key_type, ENUM, "p256", "p256|p384", 0, 1, SCOPE_GLOBAL, "the elliptic curve of certificates' keys") \
	S(acme, renew_before, DURATION, "30", "d", HOUR_MS, 365 * DAY_MS, SCOPE_GLOBAL, \
	  "a certificate is renewed this long before it expires, but not before two thirds of its time are over") \
	S(acme, retry_first, DURATION, "15", "m", SEC_MS, DAY_MS, SCOPE_GLOBAL, \
	  "wait after a name's first failure; doubled after each further one") \
	S(acme, retry_longest, DURATION, "1", "d", SEC_MS, 30 * DAY_MS, SCOPE_GLOBAL, "maximum wait between two tries of a name") \
	S(acme, eab_kid, TEXT, "", "", 0, 500, SCOPE_GLOBAL, \
	  "identifier of the external account, if the authority requires one") \
	S(acme, eab_hmac_key, TEXT, "", "secret", 0, 1500, SCOPE_GLOBAL, \
	  "key of the external account, in base64url as the authority gives it")

#define SETTINGS_SPOOL(S) \
	S(spool, retry_first, DURATION, "5", "m", SEC_MS, DAY_MS, SCOPE_GLOBAL, \
	  "wait after the first temporary failure; doubled after each further one") \
	S(spool, retry_longest, DURATION, "4", "h", SEC_MS, 7 * DAY_MS, SCOPE_GLOBAL, "maximum wait between two tries") \
	S(spool, expire_after, DURATION, "5", "d", MIN_MS, 60 * DAY_MS, SCOPE_GLOBAL, \
	  "a message is returned to its sender when it could not be delivered for this long") \
	S(spool, bounce_expire_after, DURATION, "5", "d", MIN_MS, 60 * DAY_MS, SCOPE_GLOBAL, "a bounce is dropped when it could not be delivered for this long") \
	S(spool, delay_warning_after, DURATION, "4", "h", 0, 60 * DAY_MS, SCOPE_GLOBAL, \
	  "the sender is told once when a message has not been delivered for this long; 0: never") \
	S(spool, stall_after, DURATION, "1", "m", SEC_MS, DAY_MS, SCOPE_GLOBAL, \
	  "a warning is logged when a queue with due mail makes no tries, or the store accepts no writes, for this long") \
	S(spool, trace_retention, DURATION, "2", "d", 0, 365 * DAY_MS, SCOPE_GLOBAL, \
	  "how long stagepost trace finds a message after it has left the queue") \
	S(spool, events_kept, INT, "20000", "", 0, 100000000, SCOPE_GLOBAL, \
	  "number of delivery events kept for stagepost events; 0: no events are written") \
	S(spool, job_lease, DURATION, "30", "s", SEC_MS, HOUR_MS, SCOPE_GLOBAL, \
	  "a job goes to another worker if it is not renewed for this long") \
	S(spool, min_free_space, SIZE, "100M", "", 0, INT64_MAX, SCOPE_GLOBAL, \
	  "new mail is refused (SMTP 452, APPEND NO) while the blob store has less free space; the reserve is for reports and for making room; 0: no reserve") \
	S(spool, sweep, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, \
	  "let one worker at a time look for message bodies without a reference, and release them") \
	S(spool, sweep_interval, DURATION, "12", "h", SEC_MS, 30 * DAY_MS, SCOPE_GLOBAL, \
	  "time from the end of a sweep to the next one; what one finds is released by another at least 7 hours later") \
	S(spool, sweep_share, INT, "5", "", 1, 100, SCOPE_GLOBAL, \
	  "share of the time of Redis and the disk that a sweep may use, in percent") \
	S(spool, sweep_age, DURATION, "24", "h", SEC_MS, 30 * DAY_MS, SCOPE_GLOBAL, \
	  "a sweep leaves younger bodies alone")

#define SETTINGS_AUTH(S) \
	S(auth, cache_time, DURATION, "5", "m", 0, DAY_MS, SCOPE_GLOBAL, \
	  "how long the keyed hash of a correct password is kept in memory") \
	S(auth, failure_delay, DURATION, "1", "s", 0, MIN_MS, SCOPE_GLOBAL, \
	  "delay after a failed login; doubled after each further failure of the same address or account") \
	S(auth, failure_delay_longest, DURATION, "30", "s", 0, 10 * MIN_MS, SCOPE_GLOBAL, "maximum of failure_delay") \
	S(auth, failure_window, DURATION, "15", "m", SEC_MS, DAY_MS, SCOPE_GLOBAL, "failures older than this are forgotten") \
	S(auth, totp_mail_password, BOOL, "off", "", 0, 1, SCOPE_GLOBAL, \
	  "let mail clients log in with the main password of an account that has a second factor; off: only with app passwords")

#define SETTINGS_MAILBOX(S) \
	S(mailbox, plus_addressing, BOOL, "on", "", 0, 1, SCOPE_DOMAIN, \
	  "user+detail@domain is delivered to user@domain") \
	S(mailbox, postmaster, TEXT, "", "address", 0, 320, SCOPE_GLOBAL, \
	  "recipient of mail for postmaster and abuse in domains that have neither an administrator nor such an account; empty: the mail stays in the queue until one exists") \
	S(mailbox, default_quota, SIZE, "0", "", 0, INT64_MAX, SCOPE_DOMAIN, "quota of accounts that have none of their own, in bytes; 0: no limit") \
	S(mailbox, when_full, ENUM, "later", "later|refuse|report", 0, 2, SCOPE_DOMAIN, \
	  "answer to RCPT for a mailbox without room, by the recipient's domain: later (452), refuse (552), or report: accept, and send a report; except with report, a message larger than the whole quota is refused with 552") \
	S(mailbox, book_interval, DURATION, "1", "h", SEC_MS, 30 * DAY_MS, SCOPE_GLOBAL, \
	  "a domain's address book is compared with its accounts and aliases this long after the last time") \
	S(mailbox, tombstone_retention, DURATION, "30", "d", HOUR_MS, 3650 * DAY_MS, SCOPE_GLOBAL, \
	  "how long the change log keeps expunged messages")

#define SETTINGS_SPAM(S) \
	S(spam, engine, LIST, "", "rspamd|spamd", 0, 8, SCOPE_GLOBAL, \
	  "spam engines, in the order in which they are tried; empty: no message is checked") \
	S(spam, virus_scanner, LIST, "", "clamd", 0, 8, SCOPE_GLOBAL, \
	  "virus scanners, in the order in which they are tried, asked before the spam engines; empty: no message is scanned") \
	S(spam, virus_action, ENUM, "hold", "hold|junk", 0, 1, SCOPE_GLOBAL, \
	  "hold keeps a message with a virus in the queue for the operator, junk treats it as spam") \
	S(spam, check_authenticated, BOOL, "off", "", 0, 1, SCOPE_GLOBAL, \
	  "check messages of authenticated users too") \
	S(spam, max_size, SIZE, "2M", "", 0, INT64_MAX, SCOPE_GLOBAL, "larger messages are neither checked nor scanned; 0: no limit") \
	S(spam, timeout, DURATION, "30", "s", SEC_MS, HOUR_MS, SCOPE_GLOBAL, \
	  "how long to wait for the answer of an engine or a scanner") \
	S(spam, in_session, BOOL, "off", "", 0, 1, SCOPE_GLOBAL, \
	  "ask engines and scanners before the answer to the data: what they reject is refused with 550, also viruses unless virus_action is junk; what they do not answer in time is checked later") \
	S(spam, in_session_time_limit, DURATION, "20", "s", 100, 5 * 60 * SEC_MS, SCOPE_GLOBAL, \
	  "how long a client waits for that") \
	S(spam, in_session_checks, INT, "30", "", 1, 10000, SCOPE_GLOBAL, \
	  "messages about which one frontend asks at the same time; what comes then is checked later") \
	S(spam, unavailable, ENUM, "accept", "accept|defer", 0, 1, SCOPE_GLOBAL, \
	  "when no engine, or no scanner, answers: accept delivers the message unchecked after unavailable_after, defer waits for an engine") \
	S(spam, unavailable_after, DURATION, "5", "m", 0, DAY_MS, SCOPE_GLOBAL, \
	  "how long a message waits for its spam check, counted from its acceptance") \
	S(spam, spam_action, ENUM, "junk", "junk|tag|none", 0, 2, SCOPE_DOMAIN, \
	  "by the recipient's domain: junk files spam in the Junk folder with the keyword $Junk, tag only sets the keyword, none does neither") \
	S(spam, outbound_spam, ENUM, "send", "send|hold", 0, 1, SCOPE_DOMAIN, \
	  "by the sender's domain: send sends spam to remote servers like other mail, hold keeps it in the queue for the operator")

#define SETTINGS_MAIL_AUTH(S) \
	S(mail_auth, verify, BOOL, "on", "", 0, 1, SCOPE_GLOBAL, \
	  "SPF, DKIM, DMARC and ARC of mail that unauthenticated clients send to port 25 are verified, and an Authentication-Results field is added; hosts of relay_whitelist are excepted") \
	S(mail_auth, dmarc_enforcement, BOOL, "off", "", 0, 1, SCOPE_DOMAIN, \
	  "by the recipient's domain: mail that fails DMARC is treated as the author's domain asks for: p=reject refuses it with 550 if all recipients' domains have this on, p=quarantine treats it as spam; so is mail whose author's domain cannot be determined, or, with a policy other than none, cannot be confirmed because DNS fails") \
	S(mail_auth, spf_fail_action, ENUM, "none", "none|junk|refuse", 0, 2, SCOPE_DOMAIN, \
	  "by the recipient's domain: what happens if SPF says fail: junk treats the message as spam, refuse answers 550 if all recipients' domains say refuse, and else treats it as spam") \
	S(mail_auth, arc_trusted, LIST, "", "", 0, 200, SCOPE_GLOBAL, \
	  "domains whose ARC seals are trusted (d=): mail that fails DMARC is let in if its ARC chain passes, and one of them saw it pass; it and all who sealed later must be in this list") \
	S(mail_auth, arc_seal, BOOL, "on", "", 0, 1, SCOPE_DOMAIN, \
	  "by the alias's domain: verified mail that an alias forwards to another server gets an ARC set with our results, signed with the domain's DKIM key, if there is one") \
	S(mail_auth, authserv_id, TEXT, "", "", 0, 255, SCOPE_GLOBAL, \
	  "name of this service in Authentication-Results, the same on all frontends; empty: the server's hostname; fields with this name in mail that comes in, from whomever, are removed") \
	S(mail_auth, time_limit, DURATION, "10", "s", 100, 5 * MIN_MS, SCOPE_GLOBAL, \
	  "how long the answer to a message may wait for DNS; what is missing then is a temperror, which is never a reason to refuse")

#define SETTINGS_AUTODISCOVER(S, group, default_port) \
	S(group, autodiscover_host, TEXT, "", "", 0, 255, SCOPE_DOMAIN, \
	  "host name in autodiscover answers; empty: the server's hostname") \
	S(group, autodiscover_port, INT, default_port, "", 1, 65535, SCOPE_DOMAIN, "port in autodiscover answers") \
	S(group, autodiscover_ssl, BOOL, "on", "", 0, 1, SCOPE_DOMAIN, "autodiscover_port uses TLS from the start")

#endif
