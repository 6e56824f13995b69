/* A service's options are rows of key, type and place; reading is one walk over the body's members. Like Go's decoder it goes on
 * after a value of a wrong type, and tells the first one at the end. */
#include "monitor/service_options.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "monitor/go_json.h"

enum form { TEXT, TEXTS, FLAG, SIGNED, UNSIGNED };

struct option {
    const char *key;
    enum form form;
    const char *type; /* Go's name of it */
    size_t place;
};

#define AT(member) offsetof(struct service_options, member)
#define TEXT_OPTION(key, member)                                                                   \
    {                                                                                              \
        key, TEXT, "string", AT(member)                                                            \
    }
#define FLAG_OPTION(key, member)                                                                   \
    {                                                                                              \
        key, FLAG, "bool", AT(member)                                                              \
    }
#define INT_OPTION(key, member)                                                                    \
    {                                                                                              \
        key, SIGNED, "int", AT(member)                                                             \
    }
#define END                                                                                        \
    {                                                                                              \
        NULL, TEXT, NULL, 0                                                                        \
    }

static const struct option filter[] = {
    TEXT_OPTION("server_name", filter.server_name),
    TEXT_OPTION("cluster", filter.cluster),
    TEXT_OPTION("host", filter.host),
    FLAG_OPTION("exact_match", filter.exact_match),
    {"tags", TEXTS, "[]string", AT(filter.tags)},
    TEXT_OPTION("domain", filter.domain),
    END,
};

static const struct option none[] = {END};

static const struct option connz[] = {
    {"sort", TEXT, "server.SortOpt", AT(connz.sort)},
    FLAG_OPTION("auth", connz.auth),
    FLAG_OPTION("subscriptions", connz.subs),
    FLAG_OPTION("subscriptions_detail", connz.detail),
    INT_OPTION("offset", connz.offset),
    INT_OPTION("limit", connz.limit),
    {"cid", UNSIGNED, "uint64", AT(connz.cid)},
    TEXT_OPTION("mqtt_client", connz.mqtt_client),
    {"state", SIGNED, "server.ConnState", AT(state)},
    TEXT_OPTION("user", connz.user),
    TEXT_OPTION("acc", connz.account),
    TEXT_OPTION("filter_subject", connz.filter_subject),
    END,
};

static const struct option subsz[] = {
    INT_OPTION("offset", subsz.offset),       INT_OPTION("limit", subsz.limit),
    FLAG_OPTION("subscriptions", subsz.list), TEXT_OPTION("account", subsz.account),
    TEXT_OPTION("test", subsz.test),          END,
};

static const struct option routez[] = {
    FLAG_OPTION("subscriptions", unused.flag),
    FLAG_OPTION("subscriptions_detail", unused.flag),
    END,
};

static const struct option gatewayz[] = {
    TEXT_OPTION("name", unused.text),
    FLAG_OPTION("accounts", unused.flag),
    TEXT_OPTION("account_name", unused.text),
    FLAG_OPTION("subscriptions", unused.flag),
    FLAG_OPTION("subscriptions_detail", unused.flag),
    END,
};

static const struct option leafz[] = {
    FLAG_OPTION("subscriptions", unused.flag),
    TEXT_OPTION("account", unused.text),
    END,
};

static const struct option accountz[] = {TEXT_OPTION("account", account), END};

static const struct option accstatz[] = {
    {"accounts", TEXTS, "[]string", AT(accounts)},
    FLAG_OPTION("include_unused", include_unused),
    END,
};

static const struct option jsz[] = {
    TEXT_OPTION("account", unused.text),
    FLAG_OPTION("accounts", unused.flag),
    FLAG_OPTION("streams", unused.flag),
    FLAG_OPTION("consumer", unused.flag),
    FLAG_OPTION("direct_consumer", unused.flag),
    FLAG_OPTION("config", unused.flag),
    FLAG_OPTION("leader_only", leader_only),
    INT_OPTION("offset", unused.number),
    INT_OPTION("limit", unused.number),
    FLAG_OPTION("raft", unused.flag),
    FLAG_OPTION("stream_leader_only", unused.flag),
    END,
};

static const struct option healthz[] = {
    FLAG_OPTION("js-enabled", unused.flag),
    FLAG_OPTION("js-enabled-only", unused.flag),
    FLAG_OPTION("js-server-only", unused.flag),
    FLAG_OPTION("js-meta-only", unused.flag),
    TEXT_OPTION("account", healthz.account),
    TEXT_OPTION("stream", healthz.stream),
    TEXT_OPTION("consumer", healthz.consumer),
    FLAG_OPTION("details", healthz.details),
    END,
};

static const struct option ipqueuesz[] = {
    FLAG_OPTION("all", unused.flag),
    TEXT_OPTION("filter", unused.text),
    END,
};

static const struct option raftz[] = {
    TEXT_OPTION("account", unused.text),
    TEXT_OPTION("group", unused.text),
    END,
};

static const struct option orders[] = {{"cid", UNSIGNED, "uint64", AT(cid)}, END};
static const struct option connections[] = {TEXT_OPTION("acc", account), END};
static const struct option subscribers[] = {TEXT_OPTION("acc", account),
                                            TEXT_OPTION("subject", subject), END};

/* Go's name of the struct, its own options, and whether it has those of the filter besides. */
static const struct service {
    const char *name;
    const struct option *own;
    bool unfiltered;
} services[SYSTEM_WHATS] = {
    [SYSTEM_STATSZ] = {"StatszEventOptions", none, false},
    [SYSTEM_VARZ] = {"VarzEventOptions", none, false},
    [SYSTEM_SUBSZ] = {"SubszEventOptions", subsz, false},
    [SYSTEM_CONNZ] = {"ConnzEventOptions", connz, false},
    [SYSTEM_ROUTEZ] = {"RoutezEventOptions", routez, false},
    [SYSTEM_GATEWAYZ] = {"GatewayzEventOptions", gatewayz, false},
    [SYSTEM_LEAFZ] = {"LeafzEventOptions", leafz, false},
    [SYSTEM_ACCOUNTZ] = {"AccountzEventOptions", accountz, false},
    [SYSTEM_JSZ] = {"JszEventOptions", jsz, false},
    [SYSTEM_HEALTHZ] = {"HealthzEventOptions", healthz, false},
    [SYSTEM_EXPVARZ] = {"ExpvarzEventOptions", none, false},
    [SYSTEM_IPQUEUESZ] = {"IpqueueszEventOptions", ipqueuesz, false},
    [SYSTEM_RAFTZ] = {"RaftzEventOptions", raftz, false},
    [SYSTEM_RELOAD] = {"EventFilterOptions", none, false},
    [SYSTEM_KICK] = {"KickClientReq", orders, true},
    [SYSTEM_LDM] = {"LDMClientReq", orders, true},
    [SYSTEM_ACCOUNT_CONNZ] = {"ConnzEventOptions", connz, false},
    [SYSTEM_ACCOUNT_SUBSZ] = {"SubszEventOptions", subsz, false},
    [SYSTEM_ACCOUNT_LEAFZ] = {"LeafzEventOptions", leafz, false},
    [SYSTEM_ACCOUNT_JSZ] = {"JszEventOptions", jsz, false},
    [SYSTEM_ACCOUNT_INFO] = {"AccInfoEventOptions", none, false},
    [SYSTEM_ACCOUNT_STATZ] = {"AccountStatzEventOptions", accstatz, false},
    [SYSTEM_ACCOUNT_CONNS] = {"accNumConnsReq", connections, true},
    [SYSTEM_ACCOUNTS_STATZ] = {"AccountStatzEventOptions", accstatz, false},
    [SYSTEM_ACCOUNT_NSUBS] = {"accNumSubsReq", subscribers, true},
};

struct reading {
    const struct service *service;
    struct service_options *out;
    char *texts; /* the free rest of out->storage */
    struct text_buffer *error;
    int status;
};

/* ---- values ---- */

/* Of several the first. */
static void refuse(struct reading *reading, const struct option *option, const char *type,
                   const struct go_json_value *value)
{
    static const char *const names[] = {
        [GO_JSON_NULL] = "null",     [GO_JSON_BOOL] = "bool",   [GO_JSON_NUMBER] = "number",
        [GO_JSON_STRING] = "string", [GO_JSON_ARRAY] = "array", [GO_JSON_OBJECT] = "object"};
    bool whole = option && (option->form == SIGNED || option->form == UNSIGNED) &&
                 value->kind == GO_JSON_NUMBER;
    if (reading->status != 0)
        return;
    reading->status = ERR_INVALID;
    text_buffer_printf(reading->error, "json: cannot unmarshal %s", names[value->kind]);
    if (whole) {
        text_buffer_append(reading->error, " ", 1);
        text_buffer_append(reading->error, value->text.ptr, value->text.len);
    }
    if (option)
        text_buffer_printf(reading->error, " into Go struct field %s.%s of type %s",
                           reading->service->name, option->key, type);
    else
        text_buffer_printf(reading->error, " into Go value of type server.%s",
                           reading->service->name);
}

static const char *read_text(struct reading *reading, struct span quoted)
{
    char *text = reading->texts;
    size_t len = go_json_decode(quoted, text);
    text[len] = '\0';
    reading->texts += len + 1;
    return text;
}

/* An array is walked twice: for their number, then for them. */
static void read_texts(struct reading *reading, const struct option *option,
                       const struct go_json_value *value, struct service_texts *out)
{
    struct span key, rest = value->text;
    struct go_json_value element;
    size_t count = 0;
    while (go_json_next(&rest, &key, &element))
        count++;
    mem_free(out->all);
    *out = (struct service_texts){.all = count > 0 ? mem_alloc(count * sizeof *out->all) : NULL};
    if (count > 0 && !out->all) {
        reading->status = ERR_MEMORY;
        return;
    }
    rest = value->text;
    while (go_json_next(&rest, &key, &element)) {
        bool is_text = element.kind == GO_JSON_STRING;
        if (!is_text && element.kind != GO_JSON_NULL)
            refuse(reading, option, "string", &element);
        out->all[out->count++] = is_text ? read_text(reading, element.text) : "";
    }
}

/* Digits with or without a sign, as Go wants them for a whole number: no fraction, no exponent. */
static bool is_whole(struct span text, bool with_sign)
{
    size_t at = with_sign && text.ptr[0] == '-';
    return at < text.len && strspn(text.ptr + at, "0123456789") >= text.len - at;
}

static bool read_number(struct span text, const struct option *option, void *place)
{
    if (!is_whole(text, option->form == SIGNED))
        return false;
    errno = 0;
    if (option->form == SIGNED) {
        int64_t value = strtoll(text.ptr, NULL, 10);
        if (errno == 0)
            *(int64_t *)place = value;
    } else {
        uint64_t value = strtoull(text.ptr, NULL, 10);
        if (errno == 0)
            *(uint64_t *)place = value;
    }
    return errno == 0;
}

static void read_option(struct reading *reading, const struct option *option,
                        const struct go_json_value *value)
{
    static const enum go_json_kind kinds[] = {[TEXT] = GO_JSON_STRING,
                                              [TEXTS] = GO_JSON_ARRAY,
                                              [FLAG] = GO_JSON_BOOL,
                                              [SIGNED] = GO_JSON_NUMBER,
                                              [UNSIGNED] = GO_JSON_NUMBER};
    void *place = (char *)reading->out + option->place;
    if (value->kind == GO_JSON_NULL)
        return;
    if (value->kind != kinds[option->form]) {
        refuse(reading, option, option->type, value);
        return;
    }
    switch (option->form) {
    case TEXT: *(const char **)place = read_text(reading, value->text); break;
    case TEXTS: read_texts(reading, option, value, place); break;
    case FLAG: *(bool *)place = value->text.ptr[0] == 't'; break;
    case SIGNED:
    case UNSIGNED:
        if (!read_number(value->text, option, place))
            refuse(reading, option, option->type, value);
    }
}

/* ---- the body ---- */

static const struct option *find_in(const struct option *options, const char *key,
                                    int (*differ)(const char *, const char *))
{
    while (options->key && differ(options->key, key) != 0)
        options++;
    return options->key ? options : NULL;
}

/* As it is written before any other case of it. */
static const struct option *find_option(const struct service *service, const char *key)
{
    const struct option *common = service->unfiltered ? none : filter;
    const struct option *own = service->own ? service->own : none;
    const struct option *found = find_in(common, key, strcmp);
    found = found ? found : find_in(own, key, strcmp);
    found = found ? found : find_in(common, key, strcasecmp);
    return found ? found : find_in(own, key, strcasecmp);
}

static void read_members(struct reading *reading, const struct go_json_value *root)
{
    struct span key, rest = root->text;
    struct go_json_value value;
    while (reading->status != ERR_MEMORY && go_json_next(&rest, &key, &value)) {
        const char *name = read_text(reading, key);
        const struct option *option = find_option(reading->service, name);
        if (option)
            read_option(reading, option, &value);
    }
}

int service_options_read(enum system_what what, struct span body, struct service_options *out,
                         struct text_buffer *error)
{
    *out = (struct service_options){.state = 0};
    if (body.len == 0)
        return 0;
    if (!go_json_check(body, error))
        return ERR_INVALID;
    /* A string takes three times its length at most, and its quotes make room for the NUL. */
    out->storage = mem_alloc(body.len * 3);
    if (!out->storage)
        return ERR_MEMORY;
    struct reading reading = {&services[what], out, out->storage, error, 0};
    struct go_json_value root = go_json_root(body);
    if (root.kind == GO_JSON_OBJECT)
        read_members(&reading, &root);
    else if (root.kind != GO_JSON_NULL)
        refuse(&reading, NULL, NULL, &root);
    return reading.status;
}

void service_options_fini(struct service_options *options)
{
    mem_free(options->filter.tags.all);
    mem_free(options->accounts.all);
    mem_free(options->storage);
    *options = (struct service_options){.state = 0};
}
