/* A value is scaled by the largest step that leaves at least 1 in front of the point, and the
 * digits behind it are chosen so that four significant ones remain (three for bytes, whose unit is
 * longer).
 *
 * Text is decoded by hand: the width of a character comes from wcwidth, which knows the locale, but
 * whether the bytes are UTF-8 at all must not depend on it. */
#include "top/format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

#include "broker/base/clock.h"

static bool ascii_only;

void format_set_ascii(bool ascii)
{
    ascii_only = ascii;
}

char *format_count(double value, char *out)
{
    static const char steps[] = " kMGTPE";
    double size = fabs(value);
    if (size < 999.5) {
        bool whole = size == floor(size) || size >= 99.95;
        snprintf(out, FORMAT_MAX, "%.*f", whole ? 0 : 1, value);
        return out;
    }
    size_t step = 0;
    while (size >= (step == 0 ? 999.5 : 999.95) && step + 2 < sizeof steps) {
        size /= 1000;
        value /= 1000;
        step++;
    }
    int decimals = size >= 99.995 ? 1 : size >= 9.9995 ? 2 : 3;
    snprintf(out, FORMAT_MAX, "%.*f%c", step == 1 ? 1 : decimals, value, steps[step]);
    return out;
}

char *format_bytes(double value, char *out)
{
    static const char *const steps[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double size = fabs(value);
    size_t step = 0;
    if (size == 0) {
        snprintf(out, FORMAT_MAX, "0");
        return out;
    }
    while (size >= 999.5 && step + 1 < array_length(steps)) {
        size /= 1024;
        value /= 1024;
        step++;
    }
    snprintf(out, FORMAT_MAX, "%.*f %s", step > 0 && size < 99.95 ? 1 : 0, value, steps[step]);
    return out;
}

char *format_exact(double value, int decimals, char *out)
{
    char plain[FORMAT_MAX];
    int len = snprintf(plain, sizeof plain, "%.*f", decimals, value);
    if (len >= (int)sizeof plain) {
        snprintf(out, FORMAT_MAX, "%.6g", value);
        return out;
    }
    const char *digits = plain + (plain[0] == '-');
    size_t whole = strcspn(digits, ".");
    size_t used = 0;
    if (plain[0] == '-')
        out[used++] = '-';
    for (size_t i = 0; digits[i] && used + 2 < FORMAT_MAX; i++) {
        if (i > 0 && i < whole && (whole - i) % 3 == 0)
            out[used++] = ',';
        out[used++] = digits[i];
    }
    out[used] = '\0';
    return out;
}

char *format_duration(int64_t ns, char *out)
{
    int64_t s = ns > 0 ? ns / NS_PER_SEC : 0;
    long long days = s / 86400, hours = s / 3600 % 24, minutes = s / 60 % 60, seconds = s % 60;
    if (days > 0)
        snprintf(out, FORMAT_MAX, "%lldd%02lldh", days, hours);
    else if (hours > 0)
        snprintf(out, FORMAT_MAX, "%lldh%02lldm", hours, minutes);
    else if (minutes > 0)
        snprintf(out, FORMAT_MAX, "%lldm%02llds", minutes, seconds);
    else
        snprintf(out, FORMAT_MAX, "%llds", seconds);
    return out;
}

char *format_latency(int64_t ns, char *out)
{
    double us = (double)ns / 1e3;
    if (us < 999.5)
        snprintf(out, FORMAT_MAX, "%.0f%s", us, ascii_only ? "us" : "µs");
    else if (us < 999.5e3)
        snprintf(out, FORMAT_MAX, "%.*fms", us < 99.95e3 ? 1 : 0, us / 1e3);
    else
        snprintf(out, FORMAT_MAX, "%.1fs", us / 1e6);
    return out;
}

/* One character, or -1 for a byte that is not UTF-8. Returns the bytes it took, at least 1. */
static size_t decode(const unsigned char *text, int32_t *out)
{
    static const int32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = text[0] < 0x80             ? 1
                 : (text[0] & 0xe0) == 0xc0 ? 2
                 : (text[0] & 0xf0) == 0xe0 ? 3
                 : (text[0] & 0xf8) == 0xf0 ? 4
                                            : 0;
    *out = -1;
    if (len == 0)
        return 1;
    int32_t code = len == 1 ? text[0] : text[0] & (0x7f >> len);
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 1;
        code = code << 6 | (text[i] & 0x3f);
    }
    if (code < smallest[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 1;
    *out = code;
    return len;
}

/* Cells of a character that may be shown, or 0 for one that may not. */
static int shown_width(int32_t code)
{
    bool hidden = code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c ||
                  (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
                  (code >= 0x2060 && code <= 0x206f) || code == 0xfeff;
    if (hidden)
        return 0;
    if (code < 0x7f)
        return 1;
    int width = ascii_only ? 0 : wcwidth((wchar_t)code);
    return width > 0 ? width : 0;
}

int format_text_width(const char *text)
{
    int cells = 0;
    for (const unsigned char *at = (const unsigned char *)text; *at && cells < 1 << 20;) {
        int32_t code;
        at += decode(at, &code);
        int width = shown_width(code);
        cells += width > 0 ? width : 1;
    }
    return cells;
}

size_t format_text(const char *text, int width, char *out, size_t out_bytes)
{
    const char *dot = ascii_only ? "." : "·", *ellipsis = ascii_only ? "~" : "…";
    bool cut = format_text_width(text) > width;
    int room = cut ? width - 1 : width;
    size_t used = 0;
    const unsigned char *at = (const unsigned char *)text;
    while (*at && room > 0 && used + 8 < out_bytes) {
        int32_t code;
        size_t len = decode(at, &code);
        int cells = shown_width(code);
        if (cells > room)
            break;
        const char *shown = cells > 0 ? (const char *)at : dot;
        size_t bytes = cells > 0 ? len : strlen(dot);
        memcpy(out + used, shown, bytes);
        used += bytes;
        room -= cells > 0 ? cells : 1;
        at += len;
    }
    if (cut && width > 0 && used + 4 < out_bytes) {
        memcpy(out + used, ellipsis, strlen(ellipsis));
        used += strlen(ellipsis);
    }
    while (room-- > 0 && used + 1 < out_bytes)
        out[used++] = ' ';
    out[used] = '\0';
    return used;
}

bool format_parse_duration(const char *text, int64_t *out_ns)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || !(value >= 0) || value > 1e9 || strpbrk(text, "xXpPnN"))
        return false;
    double factor = *end == '\0' || strcmp(end, "s") == 0 ? 1
                    : strcmp(end, "ms") == 0              ? 1e-3
                    : strcmp(end, "m") == 0               ? 60
                    : strcmp(end, "h") == 0               ? 3600
                                                          : 0;
    if (factor == 0)
        return false;
    *out_ns = (int64_t)(value * factor * 1e9 + 0.5);
    return true;
}

bool format_parse_number(const char *text, double *out)
{
    static const struct {
        const char *suffix;
        double factor;
    } suffixes[] = {{"", 1},
                    {"k", 1e3},
                    {"K", 1e3},
                    {"M", 1e6},
                    {"G", 1e9},
                    {"T", 1e12},
                    {"B", 1},
                    {"KiB", 1024},
                    {"MiB", 1 << 20},
                    {"GiB", 1 << 30},
                    {"TiB", 1099511627776.0},
                    {"us", 1e-6},
                    {"ms", 1e-3},
                    {"s", 1},
                    {"m", 60},
                    {"h", 3600},
                    {"d", 86400}};
    char digits[64];
    size_t used = 0;
    const char *at = text;
    for (; *at && strchr("0123456789.,", *at) && used + 1 < sizeof digits; at++)
        if (*at != ',')
            digits[used++] = *at;
    digits[used] = '\0';
    char *end;
    double value = strtod(digits, &end);
    if (used == 0 || *end)
        return false;
    for (size_t i = 0; i < array_length(suffixes); i++)
        if (strcmp(at, suffixes[i].suffix) == 0) {
            *out = value * suffixes[i].factor;
            return true;
        }
    return false;
}
