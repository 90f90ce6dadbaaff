/* The signatures come from @smithy/signature-v4, the signer of AWS's own SDK for JavaScript. */
#include "common/aws/aws_sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define AT    1795159800 /* 2026-11-20T07:30:00Z */
#define TOKEN "FwoGZXIvYXdzEXAMPLE//token=="

static const aws_keys_t lasting = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", NULL};
static const aws_keys_t temporary = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                     TOKEN};

typedef struct {
    const char *service;
    const aws_keys_t *keys;
    aws_sign_request_t request;
    const char *body;
    const char *signed_headers;
    const char *signature;
} vector_t;

static const http_header_t kinesis_headers[] = {
    {"Content-Type", "application/x-amz-json-1.1"},
    {"X-Amz-Target", "Kinesis_20131202.PutRecords"},
};

static const http_header_t dynamodb_headers[] = {
    {"X-Amz-Target", "DynamoDB_20120810.Query"},
    {"Content-Type", "  application/x-amz-json-1.0 "},
};

static const http_header_t s3_headers[] = {
    {"content-type", "audio/mpeg"},
    {"if-none-match", "*"},
    {"x-amz-checksum-crc32", "NhCmhg=="},
};

static const vector_t vectors[] = {
    {"kinesis",
     &lasting,
     {"POST", "kinesis.eu-central-1.amazonaws.com", "/", NULL, kinesis_headers, 2, NULL, AT},
     "{\"Records\":[{\"Data\":\"eyJhIjoxfQo=\",\"PartitionKey\":\"tenant-1\"}],"
     "\"StreamName\":\"calls\"}",
     "content-type;host;x-amz-date;x-amz-target",
     "3283ac5899e19b31ce5161c24d994224bac8a7f35740c8ce7e87af80e6eb2b6d"},
    {"dynamodb",
     &temporary,
     {"POST", "dynamodb.eu-central-1.amazonaws.com", "/", NULL, dynamodb_headers, 2, NULL, AT},
     "{\"TableName\":\"agents\",\"IndexName\":\"agent_id-index\",\"Limit\":2,"
     "\"KeyConditionExpression\":\"#k = :v\",\"ExpressionAttributeNames\":{\"#k\":\"agent_id\"},"
     "\"ExpressionAttributeValues\":{\":v\":{\"S\":\"agent_a\"}}}",
     "content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
     "b98d74b570a4f3a5d815160f324ad48600e12613be4b6e655ce3184f0f253c99"},
    {"s3",
     &temporary,
     {"PUT", "rec.s3.eu-central-1.amazonaws.com", "/t1/2025/conv%20%C8%99%2B1.mp3", NULL,
      s3_headers, 3, NULL, AT},
     "hello",
     "content-type;host;if-none-match;x-amz-checksum-crc32;x-amz-content-sha256;x-amz-date;"
     "x-amz-security-token",
     "9f9debfe9aff9d65da42a1789d04bb06fa75676d2a603113e32cf1bbb5500a96"},
    {"s3",
     &lasting,
     {"POST", "rec.s3.eu-central-1.amazonaws.com", "/k", "uploads", NULL, 0, NULL, AT},
     "",
     "host;x-amz-content-sha256;x-amz-date",
     "a9f6d3a051a6354da72885bda6946894037a429d3079f45d58c22839ec076bcd"},
};

static void sign_vector(aws_signer_t *signer, const vector_t *vector, aws_signature_t *signature)
{
    uint8_t digest[DIGEST_BYTES];
    char hex[DIGEST_HEX_BYTES];
    digest_sha256(vector->body, strlen(vector->body), digest);
    digest_hex(digest, DIGEST_BYTES, hex);
    aws_sign_request_t request = vector->request;
    request.body_sha256 = hex;
    fault_t fault;
    assert_int_equal(aws_sign(signer, vector->keys, &request, signature, &fault), 0);
}

static void check_vector(aws_signer_t *signer, const vector_t *vector)
{
    aws_signature_t signature;
    sign_vector(signer, vector, &signature);
    char expected[AWS_SIGN_AUTHORIZATION_BYTES] =
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261120/"
        "eu-central-1/";
    strcat(strcat(expected, vector->service), "/aws4_request, SignedHeaders=");
    strcat(strcat(expected, vector->signed_headers), ", Signature=");
    assert_string_equal(signature.authorization, strcat(expected, vector->signature));
    assert_string_equal(signature.headers[signature.header_count - 1].name, "Authorization");
}

static void published_signatures_come_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
        aws_signer_t signer = {.service = vectors[i].service, .region = "eu-central-1"};
        check_vector(&signer, &vectors[i]);
        check_vector(&signer, &vectors[i]); /* with the day's key at hand */
    }
}

static void a_new_secret_or_day_gets_a_new_key(void **state)
{
    (void)state;
    aws_signer_t signer = {.service = "kinesis", .region = "eu-central-1"};
    const aws_keys_t rotated = {"AKIDEXAMPLE", "another", NULL};
    vector_t other = vectors[0];
    other.keys = &rotated;
    aws_signature_t signature;
    sign_vector(&signer, &other, &signature);
    assert_null(strstr(signature.authorization, vectors[0].signature));
    check_vector(&signer, &vectors[0]);
    aws_sign_request_t request = vectors[0].request;
    request.body_sha256 = "";
    request.unix_s = AT + 86400;
    assert_int_equal(aws_sign(&signer, &lasting, &request, &signature, NULL), 0);
    assert_string_equal(signature.date, "20261121T073000Z");
    aws_signer_t fresh = {.service = "kinesis", .region = "eu-central-1"};
    aws_signature_t expected;
    assert_int_equal(aws_sign(&fresh, &lasting, &request, &expected, NULL), 0);
    assert_string_equal(signature.authorization, expected.authorization);
    check_vector(&signer, &vectors[0]);
}

static void assert_signature_end(const aws_sign_request_t *request, const char *expected)
{
    aws_signer_t signer = {.service = "s3", .region = "eu-central-1"};
    aws_signature_t signature;
    assert_int_equal(aws_sign(&signer, &lasting, request, &signature, NULL), 0);
    assert_string_equal(strstr(signature.authorization, "Signature="), expected);
}

static void the_order_of_a_query_does_not_matter(void **state)
{
    (void)state;
    aws_signer_t signer = {.service = "s3", .region = "eu-central-1"};
    aws_sign_request_t request = {.method = "GET", .host = "h", .path = "/", .body_sha256 = ""};
    request.query = "a=&a-b=2&a=1&A";
    aws_signature_t signature;
    assert_int_equal(aws_sign(&signer, &lasting, &request, &signature, NULL), 0);
    request.query = "A=&a&a=1&a-b=2";
    assert_signature_end(&request, strstr(signature.authorization, "Signature="));
}

static void limits_are_faults(void **state)
{
    (void)state;
    aws_signer_t signer = {.service = "s3", .region = "eu-central-1"};
    http_header_t many[AWS_SIGN_HEADERS];
    for (size_t i = 0; i < AWS_SIGN_HEADERS; i++)
        many[i] = (http_header_t){"x", "y"};
    aws_sign_request_t request = {.method = "GET",
                                  .host = "h",
                                  .path = "/",
                                  .body_sha256 = "",
                                  .headers = many,
                                  .header_count = AWS_SIGN_HEADERS};
    aws_signature_t signature;
    fault_t fault;
    assert_int_equal(aws_sign(&signer, &lasting, &request, &signature, &fault), -1);
    request.header_count = 0;
    request.query = "1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16&17";
    assert_int_equal(aws_sign(&signer, &lasting, &request, &signature, &fault), -1);
    request.query = NULL;
    char region[200];
    memset(region, 'r', sizeof(region) - 1);
    region[sizeof(region) - 1] = '\0';
    signer.region = region;
    assert_int_equal(aws_sign(&signer, &lasting, &request, &signature, &fault), -1);
}

static void only_the_unreserved_stay(void **state)
{
    (void)state;
    static const char text[] = "a:b+c@d&e$f!g*h'(i);,?#[]%25% /~\xc8\x99";
    buffer_t out = {0};
    assert_int_equal(aws_uri_encode(&out, text, strlen(text), true), 0);
    assert_string_equal(out.bytes,
                        "a%3Ab%2Bc%40d%26e%24f%21g%2Ah%27%28i%29%3B%2C%3F%23%5B%5D%2525%25"
                        "%20/~%C8%99");
    buffer_clear(&out);
    assert_int_equal(aws_uri_encode(&out, "a/b", 3, false), 0);
    assert_string_equal(out.bytes, "a%2Fb");
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_signatures_come_out),
        cmocka_unit_test(a_new_secret_or_day_gets_a_new_key),
        cmocka_unit_test(the_order_of_a_query_does_not_matter),
        cmocka_unit_test(limits_are_faults),
        cmocka_unit_test(only_the_unreserved_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
