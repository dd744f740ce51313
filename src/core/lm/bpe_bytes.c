#include "core/lm/bpe_bytes.h"

/* Of the bytes below `byte`, how many are not visible: 0-32, 127-160 and 173 are not. */
static unsigned hidden_below(unsigned byte)
{
    unsigned n = byte < 33 ? byte : 33;
    if (byte > 127)
        n += (byte < 161 ? byte : 161) - 127;
    return n + (byte > 173);
}

static bool is_hidden(unsigned byte)
{
    return byte < 33 || (byte >= 127 && byte < 161) || byte == 173;
}

unsigned bpe_bytes_character(unsigned char byte)
{
    return is_hidden(byte) ? 256 + hidden_below(byte) : byte;
}

int bpe_bytes_byte(unsigned character)
{
    if (character < 256)
        return is_hidden(character) ? -1 : (int)character;
    unsigned n = character - 256; /* 33 + 34 + 1 of them */
    if (n < 33)
        return (int)n;
    if (n < 67)
        return (int)(127 + n - 33);
    return n == 67 ? 173 : -1;
}

void bpe_bytes_spell(struct buf *out, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned c = bpe_bytes_character((unsigned char)bytes.ptr[i]);
        if (c >= 0x80)
            buf_char(out, (char)(0xc0 | c >> 6));
        buf_char(out, (char)(c >= 0x80 ? 0x80 | (c & 0x3f) : c));
    }
}

bool bpe_bytes_read(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned c = (unsigned char)text.ptr[i];
        if (c >= 0xc0 && c < 0xe0 && i + 1 < text.len)
            c = (c & 0x1f) << 6 | ((unsigned char)text.ptr[++i] & 0x3f);
        else if (c >= 0x80)
            return false;
        int byte = bpe_bytes_byte(c);
        if (byte < 0)
            return false;
        buf_char(out, (char)byte);
    }
    return true;
}
