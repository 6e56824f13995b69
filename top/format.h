/* Numbers, durations and foreign text in the form a reader takes in at a glance.
 *
 * Pure functions, any thread. `out` needs FORMAT_MAX bytes and is returned. Counts use SI steps (k
 * M G T), bytes IEC steps (KiB MiB), never mixed. Durations are nanoseconds. Text from clients is
 * hostile: format_text lets nothing through that could move the cursor, hide characters or turn the
 * writing direction. */
#ifndef TOP_FORMAT_H
#define TOP_FORMAT_H

#include "broker/base/base.h"

#define FORMAT_MAX 32

/* What the terminal can show; set once before the first frame. */
void format_set_ascii(bool ascii);

char *format_count(double value, char *out);               /* 999  1.2k  131.3k  1.313M */
char *format_bytes(double value, char *out);               /* 310 B  38.5 MiB  4.6 TiB */
char *format_exact(double value, int decimals, char *out); /* 1,312,909.4 */
char *format_duration(int64_t ns, char *out);              /* 3d04h  41m02s  17s */
char *format_latency(int64_t ns, char *out);               /* 979µs  12.4ms  1.5s */

/* Writes text into exactly `width` cells: cut with an ellipsis when longer, padded with spaces when
 * shorter. Control characters, broken UTF-8 and bidirectional marks become a dot. Returns the bytes
 * written, out is terminated. */
size_t format_text(const char *text, int width, char *out, size_t out_bytes);
/* Cells that the text takes once it is made safe. */
int format_text_width(const char *text);

/* "500ms", "2s", "1.5", "1m", "1h": a plain number is in seconds. False when it is none of these.
 */
bool format_parse_duration(const char *text, int64_t *out_ns);
/* "48.1M", "64MiB", "10ms", "1,204": counts as they are, bytes in bytes, times in seconds. */
bool format_parse_number(const char *text, double *out);

#endif
