/* The columns of the connection list, and the text and number of each cell.
 *
 * columns_all may be called from any thread after the first call returned. Column pointers are
 * valid for the life of the process. Numbers are base units: counts, bytes, seconds; NAN is unknown
 * or not offered by the server. */
#ifndef TOP_COLUMNS_H
#define TOP_COLUMNS_H

#include "top/model.h"

enum column_kind { COLUMN_CID, COLUMN_TEXT, COLUMN_HOST, COLUMN_METRIC };

#define COLUMN_TEXT_MAX 1100

struct column {
    enum column_kind kind;
    unsigned index; /* enum sample_text, or the metric's place among the connection rows */
    const struct metric_descriptor *metric; /* NULL for what is no metric */
    char key[24]; /* in --sort, --filter and CSV: the heading in small letters */
    const char *heading;
    char help[80]; /* the metric's help up to its first comma: the rest is about other units */
    int width, priority;
};

/* How counters are shown. */
struct column_view {
    bool rates;     /* per second, else since the server started */
    bool raw;       /* unscaled, with thousands separators */
    int64_t now_ns; /* of the server, for ages */
};

const struct column *columns_all(size_t *count);
/* By key, by JSON key ("out_msgs", "pending_bytes"); NULL when there is none. */
const struct column *columns_find(const char *key);
/* The key that makes the server sort its list alike, so that the top N are the right ones; "cid" if
 * it cannot. */
const char *columns_server_sort(const struct column *column);
bool columns_is_text(const struct column *column);
/* Small first when sorted without being told: ids, text, and uptime as nats-server has it. */
bool columns_ascending(const struct column *column);

/* "MSGS_TO/s" while counters are shown as rates. out needs FORMAT_MAX bytes. */
char *columns_heading(const struct column *column, bool rates, char *out);
/* Cell for people. out needs COLUMN_TEXT_MAX bytes; foreign text is not made safe yet. */
char *columns_text(const struct column *column, const struct column_view *view,
                   const struct model_conn *conn, char *out);
double columns_number(const struct column *column, const struct column_view *view,
                      const struct model_conn *conn);
/* The 10 s average of a rate, so that a sorted list does not jump; else the number. */
double columns_sort_number(const struct column *column, const struct column_view *view,
                           const struct model_conn *conn);
/* A metric's value or rate in the words of its unit. out needs FORMAT_MAX bytes. */
char *columns_metric_text(const struct metric_descriptor *metric, double value, bool rate, bool raw,
                          char *out);

/* Signs for what is not known and for what this server does not offer. */
const char *columns_unknown(void);
const char *columns_absent(void);
void columns_set_ascii(bool ascii);

#endif
