/* Reading and writing XML. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/xml/reader.h"
#include "lib/xml/writer.h"

static const struct xml_node *
read_in_pieces(struct str text, size_t piece, struct arena *arena)
{
	struct xml_reader *r = xml_reader_new(arena);
	const struct xml_node *root = NULL;
	struct err err;
	bool ok = true;

	for (size_t at = 0; at < text.len && ok; at += piece)
		ok = xml_reader_feed(r, str_first(str_from(text, at), piece), &err) == 0;
	if (ok)
		root = xml_reader_end(r, &err);
	xml_reader_free(&r);
	return root;
}

static void
test_tree(void **state)
{
	static const char text[] =
		"<?xml version=\"1.0\"?><a:Top xmlns:a='urn:a' xmlns='urn:b'> x &lt;"
		"<Mid b='1' a:c=\"&amp;2\"><Leaf/></Mid> y<!-- no --><a:Mid>z<![CDATA[<&]]></a:Mid></a:Top>";

	(void)state;
	for (size_t piece = 1; piece < sizeof(text); piece += 7) {
		struct arena arena;
		const struct xml_node *root, *mid;

		arena_init(&arena);
		root = read_in_pieces(str_c(text), piece, &arena);
		assert_non_null(root);
		assert_true(str_eq(root->name, STR("Top")) && str_eq(root->ns, STR("urn:a")));
		assert_true(str_eq(root->text, STR(" x < y")));
		mid = xml_child(root, "Mid");
		assert_true(str_eq(mid->ns, STR("urn:b")));
		assert_true(str_eq(mid->attributes->name, STR("b")) && str_eq(mid->attributes->value, STR("1")));
		assert_true(str_eq(mid->attributes->next->name, STR("urn:a|c")));
		assert_true(str_eq(mid->attributes->next->value, STR("&2")));
		assert_non_null(xml_find(root, "Mid", "Leaf", NULL));
		assert_null(xml_find(root, "Leaf", NULL));
		assert_null(xml_find(root, "None", "Leaf", NULL));
		assert_true(str_eq(xml_text(mid->next), STR("z<&")));
		assert_int_equal(xml_text(NULL).len, 0);
		arena_fini(&arena);
	}
}

static void
test_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"<a>",
		"<a></b>",
		"<a/><b/>",
		"<a b=c/>",
		"<a:b/>",
		"<a>&b;</a>",
		"<a>\x01</a>",
		"<a>\xff</a>",
		"<!DOCTYPE a><a/>",
		"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
		"<a><?php x?></a>",
		"<?xml-stylesheet href='x'?><a/>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct arena arena;

		arena_init(&arena);
		if (read_in_pieces(str_c(texts[i]), 3, &arena) != NULL)
			fail_msg("%s", texts[i]);
		arena_fini(&arena);
	}
}

/* count times before, then count times after. */
static bool
is_read(const char *before, const char *inside, const char *after, size_t count, size_t insides)
{
	struct buf text = BUF_EMPTY;
	struct arena arena;
	bool ok;

	arena_init(&arena);
	buf_add_c(&text, "<r>");
	for (size_t i = 0; i < count; i++)
		buf_add_c(&text, before);
	for (size_t i = 0; i < insides; i++)
		buf_add_c(&text, inside);
	for (size_t i = 0; i < count; i++)
		buf_add_c(&text, after);
	buf_add_c(&text, "</r>");
	ok = read_in_pieces(buf_str(&text), 65536, &arena) != NULL;
	buf_fini(&text);
	arena_fini(&arena);
	return ok;
}

static void
test_limits(void **state)
{
	(void)state;
	assert_true(is_read("<a>", "", "</a>", XML_DEPTH_MAX - 1, 0));
	assert_false(is_read("<a>", "", "</a>", XML_DEPTH_MAX, 0));
	assert_true(is_read("", "<a/>", "", 0, XML_NODES_MAX - 1));
	assert_false(is_read("", "<a/>", "", 0, XML_NODES_MAX));
	assert_true(is_read("", "0123456789abcdef", "", 0, XML_TEXT_MAX / 16));
	assert_false(is_read("", "0123456789abcdef", "", 0, XML_TEXT_MAX / 16 + 1));
}

static void
test_writer(void **state)
{
	struct buf out = BUF_EMPTY;
	struct xml_writer w;

	(void)state;
	xml_begin(&w, &out);
	xml_open(&w, "a");
	xml_attribute(&w, "xmlns", STR("urn:\"a\"&<"));
	xml_element_c(&w, "b", "x<y>&\x01\r\xff\xef\xbf\xbf\xc3\xa9");
	xml_open(&w, "c");
	xml_close(&w);
	xml_element(&w, "d", STR(""));
	xml_element_u64(&w, "e", UINT64_MAX);
	xml_open(&w, "f");
	xml_finish(&w);
	assert_string_equal(out.data,
			    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
			    "<a xmlns=\"urn:&quot;a&quot;&amp;&lt;\"><b>x&lt;y&gt;&amp;&#13;\xef\xbf\xbd\xc3\xa9</b>"
			    "<c/><d/><e>18446744073709551615</e><f/></a>");
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
