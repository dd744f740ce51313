#include "store/identity.h"

#include <string.h>

#include "base/sha256.h"

static void begin(struct sha256 *s, char tag, const struct uuid *parent)
{
    sha256_init(s);
    sha256_update(s, &tag, 1);
    sha256_update(s, parent->bytes, sizeof parent->bytes);
}

static struct uuid finish(struct sha256 *s, struct str last)
{
    uint8_t digest[SHA256_SIZE];
    struct uuid id;
    sha256_update(s, last.ptr, last.len);
    sha256_final(s, digest);
    memcpy(id.bytes, digest, sizeof id.bytes);
    id.bytes[6] = (uint8_t)(0x80 | (id.bytes[6] & 0x0F));
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3F));
    return id;
}

struct uuid identity_annotator(const struct uuid *project, struct str name)
{
    struct sha256 s;
    begin(&s, 'A', project);
    return finish(&s, name);
}

struct uuid identity_item(const struct uuid *project, struct str prompt, bool is_messages)
{
    struct sha256 s;
    begin(&s, 'I', project);
    sha256_update(&s, is_messages ? "M" : "T", 1);
    return finish(&s, prompt);
}

struct uuid identity_response(const struct uuid *item, struct str policy, struct str text)
{
    struct sha256 s;
    begin(&s, 'R', item);
    sha256_update(&s, policy.ptr, policy.len);
    sha256_update(&s, "", 1);
    return finish(&s, text);
}

struct uuid identity_key(const struct uuid *project, struct str key)
{
    struct sha256 s;
    begin(&s, 'K', project);
    return finish(&s, key);
}
