#include "base/uuid.h"

#include <string.h>

#include "base/clock.h"
#include "base/rng.h"

/* Random bytes that a thread has in store: a system call for each id would cost more than the rest of it. A fork that
 * does not exec would give the same ids twice; ours always exec. */
static _Thread_local struct {
    uint8_t bytes[256];
    size_t left;
} stock;

static int random_bytes(uint8_t ret[16], struct err *err)
{
    if (stock.left == 0) {
        if (rng_secret(stock.bytes, sizeof stock.bytes, err) < 0)
            return -1;
        stock.left = sizeof stock.bytes;
    }
    stock.left -= 16;
    memcpy(ret, stock.bytes + stock.left, 16);
    return 0;
}

int uuid_new(struct uuid *ret, struct err *err)
{
    if (random_bytes(ret->bytes, err) < 0)
        return -1;
    uint64_t ms = (uint64_t)clock_wall_us() / 1000;
    for (int i = 0; i < 6; i++)
        ret->bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    ret->bytes[6] = (uint8_t)(0x70 | (ret->bytes[6] & 0x0F));
    ret->bytes[8] = (uint8_t)(0x80 | (ret->bytes[8] & 0x3F));
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uuid_parse(struct str text, struct uuid *ret)
{
    if (text.len != UUID_TEXT_SIZE - 1)
        return false;
    size_t at = 0;
    for (int i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && text.ptr[at++] != '-')
            return false;
        int high = hex_digit(text.ptr[at]), low = hex_digit(text.ptr[at + 1]);
        if (high < 0 || low < 0)
            return false;
        ret->bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    return true;
}

char *uuid_format(const struct uuid *u, char *text)
{
    static const char digits[] = "0123456789abcdef";
    char *at = text;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[u->bytes[i] >> 4];
        *at++ = digits[u->bytes[i] & 15];
    }
    *at = '\0';
    return text;
}
