/* Who may connect: plain secrets, hashed ones, half of a pair, nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdlib.h>

#include "broker/base/mem.h"
#include "broker/base/secret.h"
#include "broker/core/auth.h"

/* bcrypt of "s3cr3t" and of "", cost 4. */
#define HASH_TAIL  "$04$abcdefghijklmnopqrstuu35fBIWlNgF8BcAW/t2cO158N8svSFHy"
#define HASH_EMPTY "$2a$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq"

static bool accepts(const char *username, const char *password, const char *token,
                    struct auth_credentials given)
{
    struct options options = {0};
    options.username = username ? mem_copy_string(span_of(username)) : NULL;
    options.password = password ? mem_copy_string(span_of(password)) : NULL;
    options.token = token ? mem_copy_string(span_of(token)) : NULL;
    assert_int_equal(auth_required(&options), username || password || token);
    struct auth_identity identity;
    bool accepted = auth_accepts(&options, &given, &identity);
    assert_true(!accepted || identity.account == OPTIONS_GLOBAL_ACCOUNT);
    mem_free(options.username);
    mem_free(options.password);
    mem_free(options.token);
    return accepted;
}

static struct auth_credentials credentials(const char *user, const char *password, const char *token)
{
    return (struct auth_credentials){span_of(user), span_of(password), span_of(token)};
}

static void nothing_asked(void **state)
{
    (void)state;
    assert_true(accepts(NULL, NULL, NULL, credentials(NULL, NULL, NULL)));
    assert_true(accepts(NULL, NULL, NULL, credentials("who", "ever", "token")));
}

static void user_and_password(void **state)
{
    (void)state;
    assert_true(accepts("ann", "pw", NULL, credentials("ann", "pw", NULL)));
    assert_true(accepts("ann", "pw", NULL, credentials("ann", "pw", "more")));
    assert_false(accepts("ann", "pw", NULL, credentials("ann", "pw2", NULL)));
    assert_false(accepts("ann", "pw", NULL, credentials("ann", "p", NULL)));
    assert_false(accepts("ann", "pw", NULL, credentials("bob", "pw", NULL)));
    assert_false(accepts("ann", "pw", NULL, credentials("ann", NULL, NULL)));
    assert_false(accepts("ann", "pw", NULL, credentials(NULL, "pw", NULL)));
    assert_false(accepts("ann", "pw", NULL, credentials(NULL, NULL, NULL)));
    assert_false(accepts("ann", "pw", NULL, credentials(NULL, NULL, "pw")));
    struct auth_credentials with_nul = {SPAN_LITERAL("ann"), SPAN_LITERAL("pw\0x"), {NULL, 0}};
    assert_false(accepts("ann", "pw", NULL, with_nul));
}

static void one_token(void **state)
{
    (void)state;
    assert_true(accepts(NULL, NULL, "t0ken", credentials(NULL, NULL, "t0ken")));
    assert_false(accepts(NULL, NULL, "t0ken", credentials(NULL, NULL, "t0ke")));
    assert_false(accepts(NULL, NULL, "t0ken", credentials(NULL, NULL, "t0ken1")));
    assert_false(accepts(NULL, NULL, "t0ken", credentials("t0ken", "t0ken", NULL)));
    assert_false(accepts(NULL, NULL, "t0ken", credentials(NULL, NULL, NULL)));
}

static void hashed_secrets(void **state)
{
    (void)state;
    static const char *const hashes[] = {"$2a" HASH_TAIL, "$2b" HASH_TAIL, "$2y" HASH_TAIL};
    for (size_t i = 0; i < array_length(hashes); i++) {
        assert_true(secret_is_hashed(hashes[i]));
        assert_true(accepts("ann", hashes[i], NULL, credentials("ann", "s3cr3t", NULL)));
        assert_false(accepts("ann", hashes[i], NULL, credentials("ann", "s3cr3T", NULL)));
        assert_false(accepts("ann", hashes[i], NULL, credentials("ann", hashes[i], NULL)));
        assert_false(accepts("ann", hashes[i], NULL, credentials("ann", NULL, NULL)));
        assert_false(accepts("bob", hashes[i], NULL, credentials("ann", "s3cr3t", NULL)));
        assert_true(accepts(NULL, NULL, hashes[i], credentials(NULL, NULL, "s3cr3t")));
        assert_false(accepts(NULL, NULL, hashes[i], credentials(NULL, NULL, "wrong")));
        struct auth_credentials with_nul = {SPAN_LITERAL("ann"), SPAN_LITERAL("s3cr3t\0x"), {NULL, 0}};
        assert_false(accepts("ann", hashes[i], NULL, with_nul));
    }
    assert_true(accepts(NULL, NULL, HASH_EMPTY, credentials(NULL, NULL, NULL)));
}

static void a_password_longer_than_any(void **state)
{
    (void)state;
    char *text = malloc(100001);
    memset(text, 'x', 100000);
    text[100000] = '\0';
    assert_false(accepts("ann", "$2a" HASH_TAIL, NULL, credentials("ann", text, NULL)));
    assert_false(accepts("ann", "pw", NULL, credentials("ann", text, NULL)));
    free(text);
}

/* Looks like a hash and is none: nobody gets in, least of all with an error's text. */
static void broken_hashes(void **state)
{
    (void)state;
    static const char *const hashes[] = {"$2a$04$", "$2a$99$abcdefghijklmnopqrstuu", "$2x$00$..", "$2b$04$!!!"};
    for (size_t i = 0; i < array_length(hashes); i++) {
        assert_true(secret_is_hashed(hashes[i]));
        static const char *const tries[] = {"", "*0", "*1", "s3cr3t"};
        for (size_t j = 0; j < array_length(tries); j++)
            assert_false(accepts(NULL, NULL, hashes[i], credentials(NULL, NULL, tries[j])));
        assert_false(accepts(NULL, NULL, hashes[i], credentials(NULL, NULL, hashes[i])));
    }
}

static void what_is_a_hash(void **state)
{
    (void)state;
    static const char *const plain[] = {"",     "$",      "$2",      "$2a",       "$2a$",    "$2a$1",  "$2a$10",
                                        "$1$xx", "$2c$10$", "2a$10$xx", "$2a$1x$yyyy", "password"};
    for (size_t i = 0; i < array_length(plain); i++)
        assert_false(secret_is_hashed(plain[i]));
    assert_true(accepts(NULL, NULL, "$2a$1", credentials(NULL, NULL, "$2a$1")));
}

static void without_memory_nobody_gets_in(void **state)
{
    (void)state;
    char hash[] = "$2a" HASH_TAIL;
    struct options options = {.token = hash};
    struct auth_credentials given = credentials(NULL, NULL, "s3cr3t");
    struct auth_identity identity;
    assert_true(auth_accepts(&options, &given, &identity));
    mem_fail_at(1);
    assert_false(auth_accepts(&options, &given, &identity));
    mem_fail_at(0);
}

/* Sorted by name, as the configuration leaves them. */
static struct options_user users[] = {
    {(char[]){"ann"}, (char[]){"pa"}, 1, 0, 0},
    {(char[]){"anna"}, (char[]){""}, OPTIONS_GLOBAL_ACCOUNT, 0, 0},
    {(char[]){"bob"}, (char[]){"$2a" HASH_TAIL}, 0, 0, 0},
};

/* The account's place, or -2: not let in. */
static int enters(const struct options *options, const char *user, const char *password)
{
    struct auth_credentials given = credentials(user, password, NULL);
    struct auth_identity identity;
    return auth_accepts(options, &given, &identity) ? identity.account : -2;
}

static void several_users(void **state)
{
    (void)state;
    struct options options = {.users = users, .user_count = array_length(users)};
    assert_true(auth_required(&options));
    assert_int_equal(enters(&options, "ann", "pa"), 1);
    assert_int_equal(enters(&options, "anna", ""), OPTIONS_GLOBAL_ACCOUNT);
    assert_int_equal(enters(&options, "bob", "s3cr3t"), 0);
    assert_int_equal(enters(&options, "ann", "pb"), -2);
    assert_int_equal(enters(&options, "ann", NULL), -2);
    assert_int_equal(enters(&options, "bob", "pa"), -2);
    assert_int_equal(enters(&options, "bob", "$2a" HASH_TAIL), -2);
    assert_int_equal(enters(&options, "an", "pa"), -2);
    assert_int_equal(enters(&options, "annab", ""), -2);
    assert_int_equal(enters(&options, "zoe", ""), -2);
    assert_int_equal(enters(&options, NULL, "pa"), -2);
    assert_int_equal(enters(&options, NULL, NULL), -2);
}

static void those_who_name_nobody(void **state)
{
    (void)state;
    struct options options = {.users = users, .user_count = array_length(users)};
    struct auth_identity identity;
    assert_false(auth_without(&options, &identity));
    options.no_auth_user = (char[]){"ann"};
    assert_true(auth_without(&options, &identity));
    assert_string_equal(identity.user, "ann");
    assert_int_equal(identity.account, 1);
    assert_int_equal(enters(&options, NULL, NULL), 1);
    assert_int_equal(enters(&options, "bob", NULL), -2);
    struct auth_credentials token = credentials(NULL, NULL, "x");
    assert_false(auth_accepts(&options, &token, &identity));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_asked),
        cmocka_unit_test(user_and_password),
        cmocka_unit_test(one_token),
        cmocka_unit_test(hashed_secrets),
        cmocka_unit_test(a_password_longer_than_any),
        cmocka_unit_test(broken_hashes),
        cmocka_unit_test(what_is_a_hash),
        cmocka_unit_test(without_memory_nobody_gets_in),
        cmocka_unit_test(several_users),
        cmocka_unit_test(those_who_name_nobody),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
