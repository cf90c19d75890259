/* The commands, one function each; ctl/commands.c has the table. */
#ifndef SP_CTL_COMMANDS_H
#define SP_CTL_COMMANDS_H

#include "ctl/ctl.h"

#define CTL_COMMAND(name) int command_##name(struct ctl *ctl, int argc, char **argv)

CTL_COMMAND(up);
CTL_COMMAND(down);
CTL_COMMAND(status);
CTL_COMMAND(domain_add);
CTL_COMMAND(domain_list);
CTL_COMMAND(domain_show);
CTL_COMMAND(domain_set);
CTL_COMMAND(domain_delete);
CTL_COMMAND(domain_dkim);
CTL_COMMAND(domain_dns);
CTL_COMMAND(user_add);
CTL_COMMAND(user_list);
CTL_COMMAND(user_show);
CTL_COMMAND(user_set);
CTL_COMMAND(user_delete);
CTL_COMMAND(user_passwd);
CTL_COMMAND(user_import);
CTL_COMMAND(user_export);
CTL_COMMAND(user_app_password);
CTL_COMMAND(user_totp);
CTL_COMMAND(token_add);
CTL_COMMAND(token_list);
CTL_COMMAND(token_delete);
CTL_COMMAND(alias_add);
CTL_COMMAND(alias_list);
CTL_COMMAND(alias_delete);
CTL_COMMAND(book_rebuild);
CTL_COMMAND(settings_list);
CTL_COMMAND(settings_describe);
CTL_COMMAND(settings_get);
CTL_COMMAND(settings_set);
CTL_COMMAND(settings_unset);
CTL_COMMAND(settings_check);
CTL_COMMAND(settings_reference);
CTL_COMMAND(queue_list);
CTL_COMMAND(queue_summary);
CTL_COMMAND(queue_show);
CTL_COMMAND(queue_summary);
CTL_COMMAND(queue_retry);
CTL_COMMAND(queue_hold);
CTL_COMMAND(queue_release);
CTL_COMMAND(queue_delete);
CTL_COMMAND(trace);
CTL_COMMAND(events);
CTL_COMMAND(tls_report_list);
CTL_COMMAND(tls_report_show);
CTL_COMMAND(tls_report_send);
CTL_COMMAND(dmarc_report_read);
CTL_COMMAND(dmarc_report_inbox);
CTL_COMMAND(certificate_list);
CTL_COMMAND(certificate_renew);
CTL_COMMAND(certificate_remove);
CTL_COMMAND(retrieve_add);
CTL_COMMAND(retrieve_once);
CTL_COMMAND(retrieve_list);
CTL_COMMAND(retrieve_show);
CTL_COMMAND(retrieve_set);
CTL_COMMAND(retrieve_now);
CTL_COMMAND(retrieve_enable);
CTL_COMMAND(retrieve_disable);
CTL_COMMAND(retrieve_delete);
CTL_COMMAND(secret_list);
CTL_COMMAND(secret_rotate);
CTL_COMMAND(sweep);
CTL_COMMAND(backup);
CTL_COMMAND(restore);

#undef CTL_COMMAND
#endif
