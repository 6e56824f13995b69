/* The page at the root of the monitoring port, made from the endpoint table: what can be asked,
 * with which arguments. */
#include "monitor/request.h"

static void write_row(struct text_buffer *page, const char *base_path,
                      const struct endpoint *endpoint)
{
    text_buffer_text(page, "<tr><td><a href=\".");
    text_buffer_html(page, base_path);
    text_buffer_html(page, endpoint->path);
    text_buffer_text(page, "\">");
    text_buffer_html(page, endpoint->path + 1);
    text_buffer_text(page, "</a></td><td>");
    text_buffer_html(page, endpoint->help);
    text_buffer_text(page, "</td><td>");
    text_buffer_html(page, endpoint->arguments);
    text_buffer_text(page, "</td></tr>\n");
}

void index_answer(struct request *request)
{
    struct text_buffer *page = &request->body;
    request->content_type = "text/html; charset=utf-8";
    text_buffer_text(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                           "<title>Clearwing</title>\n<style>\n"
                           "body { font-family: system-ui, sans-serif; margin: 2em; }\n"
                           "td { padding: 0.2em 1.5em 0.2em 0; }\ntd:last-child { color: #777; }\n"
                           "</style>\n</head>\n<body>\n<h1>Clearwing " CLEARWING_VERSION
                           "</h1>\n<table>\n");
    for (size_t i = 0; endpoints_at(i); i++)
        if (endpoints_at(i)->answer != index_answer)
            write_row(page, request->base_path, endpoints_at(i));
    text_buffer_text(page, "</table>\n</body>\n</html>\n");
}
