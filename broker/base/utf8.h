/* Is this UTF-8? For text that clients chose and documents must carry. Pure; any thread. */
#ifndef BROKER_BASE_UTF8_H
#define BROKER_BASE_UTF8_H

#include "broker/base/base.h"

/* Bytes of the valid character at text (1 to 4; no overlong forms, no surrogates), or 0 when there
 * is none. */
static inline size_t utf8_sequence(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    if (len == 0 || (s[0] >= 0x80 && s[0] < 0xc2) || s[0] > 0xf4)
        return 0;
    size_t width = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (width > len)
        return 0;
    for (size_t i = 1; i < width; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool bad_second = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
                      (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
    return width > 1 && bad_second ? 0 : width;
}

#endif
