/* Every metric, declared once: M(NAME, "name", type, "labels or empty", "help").
 * Exported as stagepost_<name>. A counter's name ends in _total. */
#ifndef SP_SERVICE_METRICS_TABLE_H
#define SP_SERVICE_METRICS_TABLE_H

/* clang-format off */
#define METRICS_TABLE(M)                                                                           \
	M(CONNECTIONS_SMTP, "connections", gauge, "protocol=\"smtp\"", "Open client connections")  \
	M(CONNECTIONS_POP3, "connections", gauge, "protocol=\"pop3\"", "Open client connections")  \
	M(CONNECTIONS_IMAP, "connections", gauge, "protocol=\"imap\"", "Open client connections")  \
	M(CONNECTIONS_LDAP, "connections", gauge, "protocol=\"ldap\"", "Open client connections") \
	M(CONNECTIONS_HTTP, "connections", gauge, "protocol=\"http\"", "Open client connections") \
	M(ACCEPTED_SMTP, "accepted_connections_total", counter, "protocol=\"smtp\"", "Connections accepted") \
	M(ACCEPTED_POP3, "accepted_connections_total", counter, "protocol=\"pop3\"", "Connections accepted") \
	M(ACCEPTED_IMAP, "accepted_connections_total", counter, "protocol=\"imap\"", "Connections accepted") \
	M(ACCEPTED_LDAP, "accepted_connections_total", counter, "protocol=\"ldap\"", "Connections accepted") \
	M(ACCEPTED_HTTP, "accepted_connections_total", counter, "protocol=\"http\"", "Connections accepted") \
	M(REFUSED_CONNECTIONS, "refused_connections_total", counter, "", "Connections beyond max_connections") \
	M(TLS_HANDSHAKE_FAILURES, "tls_handshake_failures_total", counter, "", "TLS handshakes with clients that failed") \
	M(CERTIFICATES_BAD, "certificates_bad", gauge, "", "Certificates whose present files cannot be loaded") \
	M(CERTIFICATE_END, "certificate_end_timestamp_seconds", gauge, "", "Unix time at which the first certificate in use expires; 0: no certificate") \
	M(ACME_DONE, "acme_orders_total", counter, "result=\"done\"", "Orders of certificates that have ended") \
	M(ACME_FAILED, "acme_orders_total", counter, "result=\"failed\"", "Orders of certificates that have ended") \
	M(ACME_FAILING, "acme_failing_names", gauge, "", "Names whose last order failed, in the worker that orders certificates; 0 elsewhere") \
	M(ACME_LEFT_OUT, "acme_left_out_names", gauge, "", "At least so many names are too many, and no certificates are ordered for them, in the worker that orders certificates; 0 elsewhere") \
	M(ACME_RESTING, "acme_resting", gauge, "", "1: nothing can be ordered now, because of the certificate authority, an account or a key; 0: all is well, or another process orders") \
	M(ACME_CA_FAILURES, "acme_authority_failures_total", counter, "", "Times that the certificate authority was left alone because it was away or refused all orders") \
	M(BLOBS_WRITABLE, "blobs_writable", gauge, "", "1: the blob store accepts bodies; 0: it is full, it fails, or this process writes none") \
	M(BLOBS_FREE, "blobs_free_bytes", gauge, "", "Free space in the blob store at the last check") \
	M(SMTP_MESSAGES, "smtp_messages_total", counter, "", "Messages answered 250")               \
	M(SMTP_BYTES, "smtp_message_bytes_total", counter, "", "Bytes of messages answered 250")    \
	M(SMTP_REFUSED_RECIPIENTS, "smtp_refused_recipients_total", counter, "", "Recipients refused") \
	M(SMTP_LIMITED, "smtp_limited_total", counter, "", "Messages and recipients put off because of a limit on their client") \
	M(SMTP_REFUSED_MESSAGES, "smtp_refused_messages_total", counter, "", "Messages refused after their data") \
	M(SMTP_DEFERRED_MESSAGES, "smtp_deferred_messages_total", counter, "", "Messages answered 4xx because the store or the spool was unreachable") \
	M(VERIFIED_SPF_NONE, "mail_auth_results_total", counter, "method=\"spf\",result=\"none\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_SPF_NEUTRAL, "mail_auth_results_total", counter, "method=\"spf\",result=\"neutral\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_SPF_PASS, "mail_auth_results_total", counter, "method=\"spf\",result=\"pass\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_SPF_FAIL, "mail_auth_results_total", counter, "method=\"spf\",result=\"fail\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_SPF_SOFTFAIL, "mail_auth_results_total", counter, "method=\"spf\",result=\"softfail\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_SPF_TEMPERROR, "mail_auth_results_total", counter, "method=\"spf\",result=\"temperror\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_SPF_PERMERROR, "mail_auth_results_total", counter, "method=\"spf\",result=\"permerror\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_DKIM_NONE, "mail_auth_results_total", counter, "method=\"dkim\",result=\"none\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_DKIM_PASS, "mail_auth_results_total", counter, "method=\"dkim\",result=\"pass\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_DKIM_FAIL, "mail_auth_results_total", counter, "method=\"dkim\",result=\"fail\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_DKIM_POLICY, "mail_auth_results_total", counter, "method=\"dkim\",result=\"policy\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_DKIM_NEUTRAL, "mail_auth_results_total", counter, "method=\"dkim\",result=\"neutral\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_DKIM_TEMPERROR, "mail_auth_results_total", counter, "method=\"dkim\",result=\"temperror\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_DKIM_PERMERROR, "mail_auth_results_total", counter, "method=\"dkim\",result=\"permerror\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_DMARC_NONE, "mail_auth_results_total", counter, "method=\"dmarc\",result=\"none\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_DMARC_PASS, "mail_auth_results_total", counter, "method=\"dmarc\",result=\"pass\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_DMARC_FAIL, "mail_auth_results_total", counter, "method=\"dmarc\",result=\"fail\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_DMARC_TEMPERROR, "mail_auth_results_total", counter, "method=\"dmarc\",result=\"temperror\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_DMARC_PERMERROR, "mail_auth_results_total", counter, "method=\"dmarc\",result=\"permerror\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_ARC_NONE, "mail_auth_results_total", counter, "method=\"arc\",result=\"none\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_ARC_PASS, "mail_auth_results_total", counter, "method=\"arc\",result=\"pass\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_ARC_FAIL, "mail_auth_results_total", counter, "method=\"arc\",result=\"fail\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(VERIFIED_ARC_TEMPERROR, "mail_auth_results_total", counter, "method=\"arc\",result=\"temperror\"", "Results of SPF, DKIM, DMARC and ARC of incoming messages") \
	M(MILTER_REJECTED, "milter_objections_total", counter, "action=\"reject\"", "Messages that milters did not let in") \
	M(MILTER_TEMPFAILED, "milter_objections_total", counter, "action=\"tempfail\"", "Messages that milters did not let in") \
	M(MILTER_DISCARDED, "milter_objections_total", counter, "action=\"discard\"", "Messages that milters did not let in") \
	M(MILTER_FAILURES, "milter_failures_total", counter, "", "Milters that could not be asked or answered wrongly") \
	M(DKIM_SIGNED, "dkim_signed_messages_total", counter, "", "Submissions and reports signed by DKIM") \
	M(ARC_SEALED, "arc_sealed_messages_total", counter, "", "Forwarded messages with an ARC set of ours") \
	M(POP3_LOGINS, "pop3_logins_total", counter, "", "Maildrops opened")                        \
	M(POP3_RETRIEVED, "pop3_retrieved_messages_total", counter, "", "Messages sent by RETR")    \
	M(POP3_RETRIEVED_BYTES, "pop3_retrieved_bytes_total", counter, "", "Bytes sent by RETR")    \
	M(POP3_DELETED, "pop3_deleted_messages_total", counter, "", "Messages removed at QUIT")     \
	M(SESSION_TURNS, "session_turns_total", counter, "", "Times that a long command let other sessions have their turn") \
	M(IMAP_COMMANDS, "imap_commands_total", counter, "", "IMAP commands done")                  \
	M(IMAP_APPENDED, "imap_appended_messages_total", counter, "", "Messages appended")          \
	M(LDAP_OPERATIONS, "ldap_operations_total", counter, "", "LDAP requests") \
	M(LDAP_SEARCHES, "ldap_searches_total", counter, "", "LDAP searches") \
	M(LDAP_ENTRIES, "ldap_entries_total", counter, "", "Entries sent to LDAP clients") \
	M(HTTP_1XX, "http_requests_total", counter, "status=\"1xx\"", "HTTP requests answered") \
	M(HTTP_2XX, "http_requests_total", counter, "status=\"2xx\"", "HTTP requests answered") \
	M(HTTP_3XX, "http_requests_total", counter, "status=\"3xx\"", "HTTP requests answered") \
	M(HTTP_4XX, "http_requests_total", counter, "status=\"4xx\"", "HTTP requests answered") \
	M(HTTP_5XX, "http_requests_total", counter, "status=\"5xx\"", "HTTP requests answered") \
	M(HTTP_PARKED, "http_parked_requests", gauge, "", "HTTP requests that wait for news") \
	M(HTTP_WEBSOCKETS, "http_websockets", gauge, "", "Open WebSockets") \
	M(AUTH_OK, "auth_total", counter, "result=\"ok\"", "Logins by result")                     \
	M(AUTH_FAILED, "auth_total", counter, "result=\"failed\"", "Logins by result")             \
	M(AUTH_DELAYED, "auth_delayed_total", counter, "", "Logins delayed after failures")     \
	M(HANDOVERS, "handovers_total", counter, "result=\"ok\"", "Messages handed to a broker")   \
	M(HANDOVERS_FAILED, "handovers_total", counter, "result=\"failed\"", "Messages handed to a broker") \
	M(HANDOVER_US, "handover_microseconds_total", counter, "", "Time from hand-over to its answer") \
	M(SPOOL_QUEUED, "spool_messages", gauge, "state=\"active\"", "Messages by state")          \
	M(SPOOL_DEFERRED, "spool_messages", gauge, "state=\"deferred\"", "Messages by state")      \
	M(SPOOL_HELD, "spool_messages", gauge, "state=\"held\"", "Messages by state")              \
	M(STALLED_LOCAL, "spool_stalled", gauge, "queue=\"local\"", "Messages in a stalled queue") \
	M(STALLED_REMOTE, "spool_stalled", gauge, "queue=\"remote\"", "Messages in a stalled queue") \
	M(STALLED_REPORT, "spool_stalled", gauge, "queue=\"report\"", "Messages in a stalled queue") \
	M(STALLED_CHECK, "spool_stalled", gauge, "queue=\"check\"", "Messages in a stalled queue") \
	M(STALLED_SHARDS, "spool_shards_stalled", gauge, "", "Shards whose writes the store does not accept") \
	M(SPOOL_SHARDS, "spool_shards_owned", gauge, "", "Shards owned by this broker")             \
	M(SPOOL_TAKEN, "spool_messages_taken_total", counter, "", "Messages made durable")          \
	M(SPOOL_FINISHED, "spool_messages_finished_total", counter, "", "Messages that left the spool") \
	M(JOBS_GIVEN, "jobs_given_total", counter, "", "Jobs assigned to workers")                     \
	M(JOBS_OLDEST, "jobs_oldest_seconds", gauge, "", "Age of the oldest job in the hands of a worker")    \
	M(JOBS_LOST, "jobs_lost_total", counter, "", "Jobs whose lease ended without a report")     \
	M(JOBS_RUNNING, "jobs_running", gauge, "", "Jobs in flight in this worker")                 \
	M(DELIVERED_LOCAL, "delivered_recipients_total", counter, "kind=\"local\"", "Recipients delivered") \
	M(DELIVERED_REMOTE, "delivered_recipients_total", counter, "kind=\"remote\"", "Recipients delivered") \
	M(DEFERRED_RECIPIENTS, "deferred_recipients_total", counter, "", "Delivery attempts that failed temporarily") \
	M(FAILED_RECIPIENTS, "failed_recipients_total", counter, "", "Recipients that failed permanently")  \
	M(SPAM_HAM, "spam_checks_total", counter, "result=\"ham\"", "Messages checked by spam engines, by result") \
	M(SPAM_FOUND, "spam_checks_total", counter, "result=\"spam\"", "Messages checked by spam engines, by result") \
	M(SPAM_VIRUS, "spam_checks_total", counter, "result=\"virus\"", "Messages checked by spam engines, by result") \
	M(SPAM_FAILED, "spam_checks_total", counter, "result=\"failed\"", "Messages checked by spam engines, by result") \
	M(SPAM_REFUSED_SPAM, "spam_refused_total", counter, "why=\"spam\"", "Messages refused in the session by spam engines and virus scanners") \
	M(SPAM_REFUSED_VIRUS, "spam_refused_total", counter, "why=\"virus\"", "Messages refused in the session by spam engines and virus scanners") \
	M(SPAM_REFUSED_LATER, "spam_refused_total", counter, "why=\"later\"", "Messages refused in the session by spam engines and virus scanners") \
	M(SPAM_LEFT, "spam_left_to_queue_total", counter, "", "Messages that got no verdict in the session, and are checked later") \
	M(SPAM_UNCHECKED, "spam_unchecked_total", counter, "", "Messages delivered without a spam check because no engine answered") \
	M(REPORTS, "delivery_reports_total", counter, "", "Delivery status notifications made")     \
	M(TLS_REPORTS, "tls_reports_total", counter, "", "TLS reports handed over as mail, or posted") \
	M(SWEEPS_DONE, "sweeps_total", counter, "result=\"done\"", "Sweeps of this process, except abandoned ones") \
	M(SWEEPS_FAILED, "sweeps_total", counter, "result=\"failed\"", "Sweeps of this process, except abandoned ones") \
	M(BOOK_COMPARISONS, "book_comparisons_total", counter, "", "Comparisons of address books with the accounts and aliases of their domain") \
	M(BOOK_MENDED, "book_mended_entries_total", counter, "", "Entries of address books that a comparison put right") \
	M(SWEEP_RUNNING, "sweep_running", gauge, "", "1: this process sweeps")                     \
	M(SWEEP_LAST_END, "sweep_last_end_timestamp_seconds", gauge, "", "Unix time at which the last sweep of this process was done; 0: there was none") \
	M(SWEEP_EXAMINED, "sweep_examined_bodies_total", counter, "", "Bodies examined by sweeps") \
	M(SWEEP_RELEASED, "sweep_released_bodies_total", counter, "", "Unreferenced bodies released by sweeps") \
	M(SWEEP_RELEASED_BYTES, "sweep_released_bytes_total", counter, "", "Bytes of the bodies released by sweeps") \
	M(SWEEP_IN_DOUBT, "sweep_in_doubt_bodies", gauge, "", "Bodies that the last sweep of this process found without a reference and left to a later one") \
	M(RETRIEVALS, "retrievals_total", counter, "result=\"ok\"", "Rounds of retrieval from remote accounts") \
	M(RETRIEVALS_FAILED, "retrievals_total", counter, "result=\"failed\"", "Rounds of retrieval from remote accounts") \
	M(RETRIEVALS_RUNNING, "retrievals_running", gauge, "", "Remote accounts that are being read") \
	M(RETRIEVED, "retrieved_messages_total", counter, "", "Messages taken over from remote accounts") \
	M(RETRIEVED_BYTES, "retrieved_bytes_total", counter, "", "Bytes of the messages taken over from remote accounts") \
	M(REMOTE_CONNECTIONS, "remote_connections_total", counter, "", "Connections opened to remote servers")

#endif
