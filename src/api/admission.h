/* admission: whether a request may come in, decided on its header section alone, before a byte of its body is read.
 *
 * In order: framing, target, route, method, token and role, project of the token, query, media type, size. Of these
 * functions only admit_named_project waits for the database; it is for threads of the executor. */
#ifndef EGALIGN_API_ADMISSION_H
#define EGALIGN_API_ADMISSION_H

#include "api/request.h"

/* 0: the body may come. 1: r->reply has the answer already (OPTIONS). -1 with err: refused; r->reply.close when the
 * connection must end with the answer. */
int admit(struct request *r, const char *version, struct err *err);

/* The token of `who` does not open the project: what it may not see is not there. */
int admit_project(const struct principal *who, const struct uuid *project, struct err *err);

/* Finds a project that memory may not have, and lets `who` in. ERR_NOT_FOUND. */
int admit_named_project(struct api *api, const struct principal *who, struct str name, struct uuid *ret,
                        struct err *err);

#endif
