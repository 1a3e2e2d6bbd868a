/* The load generator, and the constant answer it is measured against. Linux only (epoll).
 *
 *   load http      HOST PORT [options]   closed loop: each connection has one request in flight
 *   load websocket HOST PORT [options]   closed loop: each connection has one message in flight
 *   load idle      HOST PORT [options]   open connections, say "ready", hold them until stdin ends
 *   load serve     [options]             answer with a constant, print the port, end with stdin
 *
 * A run prints one JSON object. Compile with -DWITH_TLS and -lssl -lcrypto for TLS.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
static SSL_CTX *tls_context;
#else
typedef void SSL;
#endif

#define CHUNK 65536
#define HEAD_ROOM 16384
#define MAX_SAMPLES (16u << 20)
/* A new connection for each request would run out of ports from one address alone. */
#define SOURCES 64
#define WARM_NS 10000000000u

enum { AGAIN = -1, BROKEN = -2 };

enum state { CONNECTING, SECURING, TALKING };
enum phase { HEAD, SIZED, CHUNKED, UNTIL_EOF };

struct connection {
    int fd;
    SSL *ssl;
    enum state state;
    uint32_t interest;
    /* What is being written: `out`, then `fill_left` bytes of filling. */
    const char *out;
    size_t out_length, out_done, fill_left;
    /* What is being read. */
    char *head;
    size_t head_length;
    enum phase phase;
    uint64_t body_left, frame_length;
    char tail[5];
    size_t tail_length;
    int is_upgraded, is_closing, is_settled, is_echo;
    uint64_t started_ns;
    char answer[512];
};

static struct {
    const char *host, *path, *method, *type, *cert, *key, *body_file;
    int port, connections, is_tls, is_close, is_websocket, is_binary;
    size_t bytes;
    double seconds;
    uint64_t count;
} options = {.host = "127.0.0.1", .path = "/", .method = "GET", .connections = 1, .seconds = 1};

static int epoll_fd;
static char filling[CHUNK], scratch[CHUNK];
static char *request, *message;
static size_t request_length, message_length;
static uint32_t *samples_ns;
static size_t sample_count;
static uint64_t completed, failures, bytes_read;
static int settled;
static int is_idle, in_flight;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(2);
}

/* Bytes in and out */

static void watch(struct connection *c, uint32_t interest) {
    if (c->interest == interest) return;
    struct epoll_event event = {.events = interest, .data.ptr = c};
    if (epoll_ctl(epoll_fd, c->interest ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &event)) {
        die("epoll_ctl");
    }
    c->interest = interest;
}

#ifdef WITH_TLS
static ssize_t explain_tls(struct connection *c, int result) {
    int error = SSL_get_error(c->ssl, result);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ) return AGAIN;
    if (error == SSL_ERROR_WANT_WRITE) {
        watch(c, EPOLLIN | EPOLLOUT);
        return AGAIN;
    }
    return error == SSL_ERROR_ZERO_RETURN ? 0 : BROKEN;
}
#endif

static ssize_t receive(struct connection *c, char *into, size_t room) {
#ifdef WITH_TLS
    if (c->ssl) {
        int got = SSL_read(c->ssl, into, (int)room);
        return got > 0 ? got : explain_tls(c, got);
    }
#endif
    ssize_t got = read(c->fd, into, room);
    if (got >= 0) return got;
    return errno == EAGAIN || errno == EINTR ? AGAIN : BROKEN;
}

static ssize_t transmit(struct connection *c, const char *from, size_t length) {
#ifdef WITH_TLS
    if (c->ssl) {
        int sent = SSL_write(c->ssl, from, (int)(length > CHUNK ? CHUNK : length));
        return sent > 0 ? sent : explain_tls(c, sent);
    }
#endif
    ssize_t sent = send(c->fd, from, length, MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    return errno == EAGAIN || errno == EINTR ? AGAIN : BROKEN;
}

/* Returns 1 when everything is written, 0 when the peer must read first. */
static int flush(struct connection *c) {
    for (;;) {
        const char *from = c->out + c->out_done;
        size_t length = c->out_length - c->out_done;
        int is_fill = length == 0;
        if (is_fill) {
            if (!c->fill_left) break;
            from = filling;
            length = c->fill_left > CHUNK ? CHUNK : c->fill_left;
        }
        ssize_t sent = transmit(c, from, length);
        if (sent == AGAIN) {
            watch(c, EPOLLIN | EPOLLOUT);
            return 0;
        }
        if (sent <= 0) return BROKEN;
        if (is_fill) c->fill_left -= (size_t)sent;
        else c->out_done += (size_t)sent;
    }
    watch(c, EPOLLIN);
    return 1;
}

static int say(struct connection *c, const char *out, size_t length, size_t fill) {
    c->out = out;
    c->out_length = length;
    c->out_done = 0;
    c->fill_left = fill;
    return flush(c);
}

static void hang_up(struct connection *c) {
#ifdef WITH_TLS
    if (c->ssl) {
        if (c->state == TALKING) SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
        ERR_clear_error();
    }
#endif
    if (c->fd >= 0) close(c->fd);
    c->ssl = NULL;
    c->fd = -1;
    c->interest = 0;
}

static void set_options(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* Heads and frames */

static const char *find_field(const char *head, const char *name) {
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (!strncasecmp(line + 2, name, length) && line[2 + length] == ':') {
            const char *value = line + 3 + length;
            while (*value == ' ') value++;
            return value;
        }
    }
    return NULL;
}

/* Adds bytes to the head. Returns how many were taken, and in *is_whole whether it is whole. */
static size_t take_head(struct connection *c, const char *data, size_t length, int *is_whole) {
    size_t before = c->head_length;
    size_t taken = length > HEAD_ROOM - 1 - before ? HEAD_ROOM - 1 - before : length;
    memcpy(c->head + before, data, taken);
    c->head[before + taken] = 0;
    const char *end = strstr(c->head + (before > 3 ? before - 3 : 0), "\r\n\r\n");
    *is_whole = end != NULL;
    if (!end) {
        c->head_length += taken;
        return taken;
    }
    size_t whole = (size_t)(end - c->head) + 4;
    c->head[whole] = 0;
    c->head_length = 0;
    return whole - before;
}

static size_t frame_head(char *into, size_t length, int is_masked, int is_binary) {
    size_t n = 2;
    unsigned char *b = (unsigned char *)into;
    unsigned char mask = is_masked ? 0x80 : 0;
    b[0] = is_binary ? 0x82 : 0x81;
    if (length < 126) {
        b[1] = mask | (unsigned char)length;
    } else if (length < 65536) {
        b[1] = mask | 126;
        b[2] = (unsigned char)(length >> 8);
        b[3] = (unsigned char)length;
        n = 4;
    } else {
        b[1] = mask | 127;
        for (int i = 0; i < 8; i++) b[2 + i] = (unsigned char)((uint64_t)length >> (56 - 8 * i));
        n = 10;
    }
    if (is_masked) {
        memcpy(into + n, "\x37\xfa\x21\x3d", 4);
        n += 4;
    }
    return n;
}

/* Takes one frame's bytes; its head is collected in c->head. *is_whole: the frame is complete. */
static size_t take_frame(struct connection *c, const char *data, size_t length, int *is_whole) {
    size_t taken = 0;
    *is_whole = 0;
    while (c->phase == HEAD && taken < length) {
        unsigned char *h = (unsigned char *)c->head;
        h[c->head_length++] = (unsigned char)data[taken++];
        if (c->head_length < 2) continue;
        size_t size = h[1] & 127, need = size == 126 ? 4 : size == 127 ? 10 : 2;
        if (h[1] & 128) need += 4;
        if (c->head_length < need) continue;
        c->body_left = size;
        if (size == 126) c->body_left = (uint64_t)h[2] << 8 | h[3];
        if (size == 127) {
            c->body_left = 0;
            for (int i = 0; i < 8; i++) c->body_left = c->body_left << 8 | h[2 + i];
        }
        c->frame_length = c->body_left;
        c->phase = SIZED;
    }
    if (c->phase != SIZED) return taken;
    size_t part = length - taken > c->body_left ? (size_t)c->body_left : length - taken;
    c->body_left -= part;
    if (!c->body_left) {
        *is_whole = 1;
        c->phase = HEAD;
        c->head_length = 0;
    }
    return taken + part;
}

/* The generator */

static void begin(struct connection *c);

static void fail(struct connection *c) {
    static uint64_t in_a_row, at;
    in_a_row = at == completed ? in_a_row + 1 : 1;
    at = completed;
    failures++;
    if (in_a_row > 1000) {
        errno = 0;
        die("1,000 failures in a row");
    }
    hang_up(c);
    begin(c);
}

static int ask(struct connection *c) {
    c->started_ns = now_ns();
    c->phase = HEAD;
    return c->is_upgraded ? say(c, message, message_length, 0) : say(c, request, request_length, 0);
}

static void begin(struct connection *c) {
    static unsigned turn;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    inet_pton(AF_INET, options.host, &to.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0) die("socket");
    set_options(c->fd);
    if (options.is_close && !strncmp(options.host, "127.", 4)) {
        int one = 1;
        struct sockaddr_in from = {.sin_family = AF_INET};
        from.sin_addr.s_addr = htonl(0x7f000001u + turn++ % SOURCES);
        setsockopt(c->fd, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &one, sizeof one);
        if (bind(c->fd, (struct sockaddr *)&from, sizeof from)) die("bind");
    }
    c->state = CONNECTING;
    c->is_upgraded = c->is_closing = 0;
    c->head_length = 0;
    c->started_ns = now_ns();
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) die("connect");
    watch(c, EPOLLIN | EPOLLOUT);
}

static void settle(struct connection *c) {
    if (!c->is_settled) settled++;
    c->is_settled = 1;
}

/* One exchange is over: count it and go on. */
static int finish(struct connection *c) {
    uint64_t started = c->started_ns, taken = now_ns() - started;
    settle(c);
    if (is_idle) return 1;
    completed++;
    if (sample_count < MAX_SAMPLES) {
        samples_ns[sample_count++] = taken > UINT32_MAX ? UINT32_MAX : (uint32_t)taken;
    }
    /* Near the end connections fall away, so that not one request more is made than asked for. */
    if (options.count && completed + (uint64_t)in_flight > options.count) {
        hang_up(c);
        in_flight--;
        return 1;
    }
    if (options.is_close || c->is_closing) {
        hang_up(c);
        begin(c);
        return 1;
    }
    return ask(c);
}

static int judge_head(struct connection *c) {
    int status = atoi(c->head + 9);
    if (options.is_websocket) {
        if (status != 101) return BROKEN;
        c->is_upgraded = 1;
        c->phase = HEAD;
        return 1;
    }
    if (strncmp(c->head, "HTTP/1.", 7) || status < 200 || status > 299) return BROKEN;
    const char *connection = find_field(c->head, "connection");
    const char *length = find_field(c->head, "content-length");
    const char *coding = find_field(c->head, "transfer-encoding");
    c->is_closing = connection ? !strncasecmp(connection, "close", 5) : c->head[7] == '0';
    c->phase = coding ? CHUNKED : length ? SIZED : UNTIL_EOF;
    c->body_left = length ? strtoull(length, NULL, 10) : 0;
    c->tail_length = 0;
    return 1;
}

/* Takes body bytes; 1 when the body is whole. */
static int take_body(struct connection *c, const char *data, size_t length) {
    if (c->phase == SIZED) {
        c->body_left -= length > c->body_left ? c->body_left : length;
        return c->body_left == 0;
    }
    if (c->phase == UNTIL_EOF) return 0;
    for (size_t i = length > 5 ? length - 5 : 0; i < length; i++) {
        memmove(c->tail, c->tail + 1, 4);
        c->tail[4] = data[i];
        if (c->tail_length < 5) c->tail_length++;
    }
    return c->tail_length == 5 && !memcmp(c->tail, "0\r\n\r\n", 5);
}

static int digest_frames(struct connection *c, const char *data, size_t length) {
    while (length) {
        int is_whole;
        size_t taken = take_frame(c, data, length, &is_whole);
        int opcode = c->head[0] & 15;
        data += taken;
        length -= taken;
        if (is_whole && opcode == 8) return BROKEN;
        if (is_whole && opcode < 8 && finish(c) == BROKEN) return BROKEN;
    }
    return 1;
}

/* One answer at most is under way, so what is read belongs to it alone. */
static int digest(struct connection *c, const char *data, size_t length) {
    bytes_read += length;
    if (c->is_upgraded) return digest_frames(c, data, length);
    if (c->phase == HEAD) {
        int is_whole;
        size_t taken = take_head(c, data, length, &is_whole);
        if (!is_whole) return taken < length ? BROKEN : 1;
        if (judge_head(c) == BROKEN) return BROKEN;
        data += taken;
        length -= taken;
        if (c->is_upgraded) {
            settle(c);
            return is_idle ? 1 : ask(c);
        }
    }
    return take_body(c, data, length) ? finish(c) : 1;
}

static int advance(struct connection *c) {
    if (c->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) return BROKEN;
        c->state = TALKING;
#ifdef WITH_TLS
        if (tls_context) {
            c->ssl = SSL_new(tls_context);
            SSL_set_fd(c->ssl, c->fd);
            SSL_set_connect_state(c->ssl);
            c->state = SECURING;
        }
#endif
        watch(c, EPOLLIN);
        if (c->state == TALKING) {
            uint64_t started = c->started_ns;
            int said = ask(c);
            c->started_ns = started;
            return said;
        }
    }
#ifdef WITH_TLS
    if (c->state == SECURING) {
        int done = SSL_do_handshake(c->ssl);
        if (done != 1) return (int)explain_tls(c, done) == AGAIN ? AGAIN : BROKEN;
        c->state = TALKING;
        uint64_t started = c->started_ns;
        int said = ask(c);
        c->started_ns = started;
        return said;
    }
#endif
    return 1;
}

static void converse(struct connection *c, uint32_t events) {
    if (c->state != TALKING) {
        if (advance(c) == BROKEN) fail(c);
        return;
    }
    if (events & EPOLLOUT && flush(c) == BROKEN) return fail(c);
    for (;;) {
        int fd = c->fd;
        ssize_t got = receive(c, scratch, sizeof scratch);
        if (got == AGAIN) return;
        if (got == 0 && c->phase == UNTIL_EOF && !c->is_upgraded) {
            c->is_closing = 1;
            if (finish(c) == BROKEN) fail(c);
            return;
        }
        if (got <= 0 || digest(c, scratch, (size_t)got) == BROKEN) return fail(c);
        /* A short read has emptied the socket; TLS may hold more than the socket shows. */
        if (c->fd != fd || c->state != TALKING) return;
        if (!c->ssl && (size_t)got < sizeof scratch) return;
    }
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile_us(double part) {
    if (!sample_count) return 0;
    size_t at = (size_t)(part * (double)(sample_count - 1) + 0.5);
    return samples_ns[at] / 1000.0;
}

static void report(double seconds) {
    qsort(samples_ns, sample_count, sizeof *samples_ns, by_size);
    printf("{\"completed\": %llu, \"seconds\": %.6f, \"failures\": %llu, \"bytes_read\": %llu, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
           (unsigned long long)completed, seconds, (unsigned long long)failures,
           (unsigned long long)bytes_read, percentile_us(0.5), percentile_us(0.99),
           percentile_us(1));
}

static void compose(void) {
    char head[1024];
    char *body = NULL;
    size_t body_length = 0;
    if (options.body_file) {
        FILE *file = fopen(options.body_file, "rb");
        if (!file) die(options.body_file);
        fseek(file, 0, SEEK_END);
        body_length = (size_t)ftell(file);
        rewind(file);
        body = malloc(body_length + 1);
        if (!body || fread(body, 1, body_length, file) != body_length) die(options.body_file);
        fclose(file);
    }
    int n = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: %s:%d\r\n", options.method,
                     options.path, options.host, options.port);
#define ADD(...) n += snprintf(head + n, sizeof head - (size_t)n, __VA_ARGS__)
    if (options.is_websocket) {
        ADD("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    }
    if (options.is_close) ADD("Connection: close\r\n");
    if (options.type) ADD("Content-Type: %s\r\n", options.type);
    if (options.body_file) ADD("Content-Length: %zu\r\n", body_length);
    ADD("\r\n");
    request = malloc((size_t)n + body_length);
    memcpy(request, head, (size_t)n);
    if (body_length) memcpy(request + n, body, body_length);
    request_length = (size_t)n + body_length;
    free(body);

    message = malloc(options.bytes + 14);
    message_length = frame_head(message, options.bytes, 1, options.is_binary);
    for (size_t i = 0; i < options.bytes; i++) {
        message[message_length++] = (char)('x' ^ "\x37\xfa\x21\x3d"[i % 4]);
    }
}

static struct connection *make(void) {
    struct connection *c = calloc(1, sizeof *c);
    if (!c || !(c->head = malloc(HEAD_ROOM))) die("memory");
    c->fd = -1;
    return c;
}

static void spin(void (*handle)(struct connection *, uint32_t), int timeout_ms) {
    struct epoll_event events[256];
    int count = epoll_wait(epoll_fd, events, 256, timeout_ms);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) handle(events[i].data.ptr, events[i].events);
}

static void generate(void) {
    compose();
    samples_ns = malloc(MAX_SAMPLES * sizeof *samples_ns);
    if (!samples_ns) die("memory");
    if (options.count && options.count < (uint64_t)options.connections) {
        options.connections = (int)options.count;
    }
    uint64_t start = now_ns(), at;
    for (in_flight = 0; in_flight < options.connections; in_flight++) begin(make());
    if (!options.count) {
        /* The time begins when each connection has had its first answer. */
        while (settled < options.connections && now_ns() - start < WARM_NS) spin(converse, 100);
        completed = bytes_read = sample_count = 0;
        start = now_ns();
    }
    uint64_t end = start + (uint64_t)(options.seconds * 1e9);
    while ((at = now_ns()) < end && in_flight) spin(converse, (int)((end - at) / 1000000) + 1);
    report((double)(at - start) / 1e9);
}

static void hold_idle(void) {
    is_idle = 1;
    compose();
    uint64_t end = now_ns() + 60000000000u;
    for (int i = 0; i < options.connections; i++) {
        begin(make());
        /* One after the other, so that no backlog runs over. */
        while (settled <= i) {
            if (now_ns() > end) die("the connections did not settle within 60 s");
            spin(converse, 100);
        }
    }
    printf("{\"ready\": %d}\n", settled);
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) continue;
}

/* The constant answer */

static const char ANSWER[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nhello ada";
static const char LAST_ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                  "Content-Length: 9\r\nConnection: close\r\n\r\nhello ada";
static const char SWITCH[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static int answer(struct connection *c, uint64_t length) {
    if (c->is_echo) {
        int n = snprintf(c->answer, sizeof c->answer,
                         "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
                         (unsigned long long)length);
        return say(c, c->answer, (size_t)n, (size_t)length);
    }
    if (c->is_closing) return say(c, LAST_ANSWER, sizeof LAST_ANSWER - 1, 0);
    return say(c, ANSWER, sizeof ANSWER - 1, 0);
}

static int serve_frames(struct connection *c, const char *data, size_t length) {
    while (length) {
        int is_whole;
        size_t taken = take_frame(c, data, length, &is_whole);
        data += taken;
        length -= taken;
        if (!is_whole) continue;
        size_t size = (size_t)c->frame_length, n = frame_head(c->answer, size, 0, 0);
        if (size < 200) {
            memset(c->answer + n, 'x', size);
            if (say(c, c->answer, n + size, 0) == BROKEN) return BROKEN;
        } else if (say(c, c->answer, n, size) == BROKEN) {
            return BROKEN;
        }
    }
    return 1;
}

static uint64_t request_size(const char *head) {
    const char *length = find_field(head, "content-length");
    return length ? strtoull(length, NULL, 10) : 0;
}

static int serve_request(struct connection *c, const char *data, size_t length) {
    if (c->is_upgraded) return serve_frames(c, data, length);
    while (length) {
        if (c->phase == HEAD) {
            int is_whole;
            size_t taken = take_head(c, data, length, &is_whole);
            if (!is_whole) return taken < length ? BROKEN : 1;
            data += taken;
            length -= taken;
            if (find_field(c->head, "upgrade")) {
                c->is_upgraded = 1;
                return say(c, SWITCH, sizeof SWITCH - 1, 0);
            }
            const char *connection = find_field(c->head, "connection");
            c->is_closing = connection && !strncasecmp(connection, "close", 5);
            c->is_echo = strstr(c->head, " /echo ") != NULL;
            c->body_left = request_size(c->head);
            c->phase = SIZED;
        }
        size_t part = length > c->body_left ? (size_t)c->body_left : length;
        c->body_left -= part;
        data += part;
        length -= part;
        if (c->body_left) return 1;
        c->phase = HEAD;
        if (answer(c, request_size(c->head)) == BROKEN) return BROKEN;
        if (c->is_closing) return BROKEN;
    }
    return 1;
}

static void drop(struct connection *c) {
    hang_up(c);
    free(c->head);
    free(c);
}

static void serve_one(struct connection *c, uint32_t events) {
#ifdef WITH_TLS
    if (c->state == SECURING) {
        int done = SSL_do_handshake(c->ssl);
        if (done != 1) {
            if (explain_tls(c, done) != AGAIN) drop(c);
            return;
        }
        c->state = TALKING;
    }
#endif
    if (events & EPOLLOUT && flush(c) == BROKEN) return drop(c);
    for (;;) {
        ssize_t got = receive(c, scratch, sizeof scratch);
        if (got == AGAIN) return;
        if (got <= 0 || serve_request(c, scratch, (size_t)got) == BROKEN) return drop(c);
        if (!c->ssl && (size_t)got < sizeof scratch) return;
    }
}

static void accept_all(int listener) {
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) return;
        set_options(fd);
        struct connection *c = make();
        c->fd = fd;
        c->state = TALKING;
#ifdef WITH_TLS
        if (tls_context) {
            c->ssl = SSL_new(tls_context);
            SSL_set_fd(c->ssl, fd);
            SSL_set_accept_state(c->ssl);
            c->state = SECURING;
        }
#endif
        watch(c, EPOLLIN);
    }
}

static void handle_any(struct connection *c, uint32_t events) {
    if (c->head) return serve_one(c, events);
    if (c->fd == 0) exit(0); /* stdin has ended: so does the server */
    accept_all(c->fd);
}

static void serve(void) {
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof at;
    static struct connection listener, control;
    inet_pton(AF_INET, options.host, &at.sin_addr);
    listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener.fd, (struct sockaddr *)&at, sizeof at)) die("bind");
    if (listen(listener.fd, 1024)) die("listen");
    getsockname(listener.fd, (struct sockaddr *)&at, &size);
    watch(&listener, EPOLLIN);
    watch(&control, EPOLLIN);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    for (;;) spin(handle_any, -1);
}

/* Start */

static void prepare_tls(int is_server) {
    if (!options.is_tls && !options.cert) return;
#ifdef WITH_TLS
    tls_context = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    SSL_CTX_set_mode(tls_context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!is_server) {
        SSL_CTX_set_verify(tls_context, SSL_VERIFY_NONE, NULL);
    } else if (SSL_CTX_use_certificate_chain_file(tls_context, options.cert) != 1 ||
               SSL_CTX_use_PrivateKey_file(tls_context, options.key, SSL_FILETYPE_PEM) != 1) {
        die("the certificate or its key");
    }
#else
    (void)is_server;
    errno = 0;
    die("compiled without TLS");
#endif
}

static void parse(int argc, char **argv) {
    static const struct option known[] = {
        {"connections", 1, 0, 'c'}, {"seconds", 1, 0, 's'}, {"count", 1, 0, 'n'},
        {"path", 1, 0, 'p'},        {"method", 1, 0, 'm'},  {"type", 1, 0, 't'},
        {"body-file", 1, 0, 'f'},   {"bytes", 1, 0, 'b'},   {"binary", 0, 0, 'B'},
        {"websocket", 0, 0, 'W'},   {"close", 0, 0, 'C'},   {"tls", 0, 0, 'T'},
        {"cert", 1, 0, 'x'},        {"key", 1, 0, 'k'},     {0, 0, 0, 0}};
    int found;
    while ((found = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (found) {
        case 'c': options.connections = atoi(optarg); break;
        case 's': options.seconds = atof(optarg); break;
        case 'p': options.path = optarg; break;
        case 'm': options.method = optarg; break;
        case 't': options.type = optarg; break;
        case 'f': options.body_file = optarg; break;
        case 'b': options.bytes = (size_t)atol(optarg); break;
        case 'n': options.count = strtoull(optarg, NULL, 10); break;
        case 'T': options.is_tls = 1; break;
        case 'C': options.is_close = 1; break;
        case 'B': options.is_binary = 1; break;
        case 'W': options.is_websocket = 1; break;
        case 'x': options.cert = optarg; break;
        case 'k': options.key = optarg; break;
        default: exit(2);
        }
    }
}

int main(int argc, char **argv) {
    struct rlimit files;
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    memset(filling, 'x', sizeof filling);
    parse(argc, argv);
    const char *mode = optind < argc ? argv[optind++] : "";
    epoll_fd = epoll_create1(0);
    if (!strcmp(mode, "serve")) {
        prepare_tls(1);
        serve();
    }
    if (optind + 2 > argc) {
        errno = 0;
        die("usage: load http|websocket|idle HOST PORT, or load serve");
    }
    options.host = argv[optind];
    options.port = atoi(argv[optind + 1]);
    if (!strcmp(mode, "websocket")) options.is_websocket = 1;
    prepare_tls(0);
    if (!strcmp(mode, "idle")) hold_idle();
    else generate();
    return 0;
}
