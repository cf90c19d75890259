/* Certificates that the cluster orders itself (lib/acme): what there is, and orders to
 * the worker that looks after them. */
#ifndef SP_ADMIN_CERTIFICATES_H
#define SP_ADMIN_CERTIFICATES_H

#include "lib/admin/admin.h"
#include "lib/base/str.h"

/* An array, sorted by name: {"name", "state", "issuer" (the directory), "issued",
 * "ends", "days_left", "problem", "tries", "next_try", "renewal_requested"}; what does
 * not apply is left out. state: "valid"; "ordering"; "failed" (the last order; a former
 * certificate may still be in force); "elsewhere" (the name does not lead here);
 * "expired". */
struct admin_call *admin_certificate_list(struct admin *a, admin_on_result *cb, void *arg);
/* A new certificate is ordered now. ERR_NOT_FOUND: the name is unknown. */
struct admin_call *admin_certificate_renew(struct admin *a, struct str name, admin_on_done *cb, void *arg);
/* Forgets the certificate and what is known of the name. If it is still wanted, a new
 * one is ordered. ERR_NOT_FOUND. */
struct admin_call *admin_certificate_remove(struct admin *a, struct str name, admin_on_done *cb, void *arg);

#endif
