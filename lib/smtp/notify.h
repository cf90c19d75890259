/* When a sender wants a report about a recipient (NOTIFY of RCPT, RFC 3461,
 * section 4.1): bits of Recipient.notify in proto/stagepost.proto. 0: not given,
 * which requests failures, and leaves delays to us. */
#ifndef SP_SMTP_NOTIFY_H
#define SP_SMTP_NOTIFY_H

enum { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };

#endif
