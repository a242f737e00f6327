"""Texts for the tokenizer's golden file: what captions look like, and what happens to them on their way through files and databases."""

PLAIN = [
    "", " ", "\t\n\r\n ", "a", "A", "man", "jekyll", "Jekyll and Hyde", "JEKYLL!", "a man wearing a red shirt and black pants.",
    "The woman's hair is tied in a ponytail; she's carrying a  white handbag, size 42.", "He wears dark-blue jeans &amp; sneakers",
    "Pedestrian with backpack!!!", "A pedestrian with dark hair is wearing red and white shoes, a black hooded sweatshirt, and black pants.",
    "The girl is wearing a pink shirt with white shorts, she is wearing black converse, with her hair in a pony tail.",
    "This man has short black hair. He is wearing a grey t-shirt, blue jeans and white trainers. He is looking at his phone.",
    "the person is wearing a  long sleeve shirt , and is carrying a bag on the left shoulder .",
    "A WOMAN IN ALL CAPITALS, WITH A LARGE HAT", "no punctuation at all just words in a row", "trailing space ", "  leading spaces",
    "tabs\tand\nnew\rlines\r\nin between", "one\n\n\ntwo\n \nthree", "vertical\x0btab and form\x0cfeed", "he's she'll they're we've I'm you'd isn't",
    "HE'S SHE'LL THEY'RE WE'VE I'M YOU'D ISN'T", "the boys' jackets, rock'n'roll, 'quoted' words, '90s style", "'s 't 're 've 'm 'll 'd", "''s '''d 'sd 'red 'dm",
    "don''t --'s ...'ll", "1", "12", "1234567890", "size 42, no. 7, 3.14, 1,000, 50%", "shirt with the number 23 on it", "route66 A4 b2b 4x4 3D",
    "a 1/2 inch belt", "+1-555-0100", "10:45 pm", "2024-05-17T10:45:00Z", "v1.2.3-rc4+build.5", "x86_64", "#hashtag @user e-mail@example.org",
    "https://example.org/a?b=c&d=e#f", "C:\\Users\\name\\crop_0001.jpg", "../images/cam_a/000_45.bmp", "hello,world;foo:bar|baz", "!!!", "!", "?", "...", ". . .",
    "-", "--", "---", "_", "__init__", "snake_case and kebab-case", "*bold* `code` ~strike~", "(parentheses) [brackets] {braces}", "a+b=c, a<b>c", "50$ 20\u20ac 10\u00a3 5\u00a5",
    "<|startoftext|>", "<|endoftext|>", "<|mask|>", "a <|mask|> in the middle", "<|STARTOFTEXT|> a man <|EndOfText|>", "<|startoftext|><|endoftext|>", "<|startoftext| >",
    "x" * 40, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "abababababababababababab", "antidisestablishmentarianism", "supercalifragilisticexpialidocious backpack",
    "thee theee theeee", "in in in inin ininin", "lll llll lllll", "zzzzzzzzzz", "qwertyuiop asdfghjkl", "</w>", "a</w> b</w>", "w></w>",
]

CODE = [
    "int main(void) { return 0; }", "for (int i = 0; i < n; i++) x[i] += y[i] * 2.5f;", "def f(x): return x**2  # square", "SELECT * FROM people WHERE id = 7;",
    '{"id": 1, "caption": "a man", "ok": true}', "<p class=\"x\">A man &amp; a dog</p>", "if (a && b || !c) { d = ~e ^ f; }", "$HOME/.config && echo \"$PATH\" | sed 's/a/b/g'",
    "\\u00e9 \\n \\x41", "<!-- comment --> <br/>", "printf(\"%d\\n\", 42);", "\\frac{a}{b} + \\alpha_1^2", "std::vector<int>& v", "0xDEADBEEF 0b1010 1e-5",
]

UNICODE = [
    "caf\u00e9", "na\u00efve fa\u00e7ade", "Stra\u00dfe GROSS\u1e9e", "\u00c9COLE \u00c0 PARIS", "Za\u017c\u00f3\u0142\u0107 g\u0119\u015bl\u0105 ja\u017a\u0144", "P\u0159\u00edli\u0161 \u017elu\u0165ou\u010dk\u00fd k\u016f\u0148",
    "\u0130stanbul'da \u0131\u015f\u0131k I\u0130", "\u0130", "i\u0307 I\u0307", "\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3", "\u03a3\u0391\u03a3 \u03a3 \u0391\u03a3. \u0391\u03a3\u0392 \u0391.\u03a3 \u0391\u03a3\u00ad",
    "\u0395\u03bb\u03bb\u03ac\u03b4\u03b1 \u0391\u0398\u0397\u039d\u0391", "\u041f\u0440\u0438\u0432\u0435\u0442 \u041c\u0418\u0420", "\u0427\u0435\u043b\u043e\u0432\u0435\u043a \u0432 \u043a\u0440\u0430\u0441\u043d\u043e\u0439 \u043a\u0443\u0440\u0442\u043a\u0435",
    "\u4e00\u4e2a\u7a7f\u7ea2\u8272\u886c\u886b\u7684\u7537\u4eba\u3002", "\u8fd9\u4f4d\u5973\u58eb\uff0c\u7a7f\u7740\u9ed1\u8272\u5916\u5957\uff01", "\u5f7c\u306f\u9752\u3044\u30b7\u30e3\u30c4\u3092\u7740\u3066\u3044\u307e\u3059\u3002", "\ube68\uac04 \uc154\uce20\ub97c \uc785\uc740 \ub0a8\uc790",
    "\u0631\u062c\u0644 \u064a\u0631\u062a\u062f\u064a \u0642\u0645\u064a\u0635\u0627 \u0623\u062d\u0645\u0631", "\u05d0\u05d9\u05e9 \u05e2\u05dd \u05d7\u05d5\u05dc\u05e6\u05d4", "\u0932\u093e\u0932 \u0915\u092e\u0940\u091c\u093c", "\u0e1c\u0e39\u0e49\u0e0a\u0e32\u0e22\u0e43\u0e2a\u0e48\u0e40\u0e2a\u0e37\u0e49\u0e2d\u0e41\u0e14\u0e07",
    "\u2460\u2461 \u216b \u00bd \u00b2\u00b3 \u0663\u0664 \u096a", "A\u030a \u00c5 \u212b e\u0301 \u1e69 s\u0323\u0307", "\u1100\u1161\u11a8 \uac01", "\u01c4\u01c5\u01c6 \u01f1\u01f2", "\u212a \u017f \u1e9b 's '\u017f",
    "\U0001f600", "a man \U0001f468\u200d\U0001f469\u200d\U0001f467 with family", "thumbs \U0001f44d\U0001f3fd up \u2764\ufe0f", "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", "\u2603 \u2605 \u266b \u2713",
    "\u2190\u2192\u2194 \u21d2", "\u221e \u2248 \u2260 \u2264 \u2211", "\u2500\u2502\u250c\u2588", "zero\u200bwidth\u200djoiner\u200c here", "soft\u00adhyphen", "no\u00a0break\u202fspaces\u2009thin\u3000wide",
    "line\u2028separator\u2029paragraph", "\u180e mongolian", "\u200e\u200fmarks", "(\u256f\u00b0\u25a1\u00b0)\u256f\ufe35 \u253b\u2501\u253b", "\u00af\\_(\u30c4)_/\u00af", "\u0ca0_\u0ca0", "\U0001d4d0\U0001d4ee bold math",
    "\U00020000 rare han", "\ufffd", "bad \ufffd char", "\ufffd\ufffd", "\ue000 private", "!\u0345! \u1fb3", "<|\u017ftartoftext|> <|end\u200boftext|>", "\U000e0041 tag",
]

PUNCTUATION = [
    "\u201cquoted\u201d", "\u2018single\u2019 it\u2019s", "\u201elow\u201c \u201ahigh\u2018 \u201bodd\u201f", "\u00ababc\u00bb \u2039d\u203a", "em\u2014dash en\u2013dash \u2015 bar", "ellipsis\u2026 done", "\u2022 bullet \u00b7 dot", "\u02bcmodifier\u02bc",
    "prime \u2032 and \u2033", "\u00bfqu\u00e9? \u00a1hola!", "\u00a9 2020 \u00ae \u2122", "25\u00b0C \u00b15", "\u3010\u9ed1\u8272\u3011\u300c\u5916\u5957\u300d\u3001\u88e4\u5b50\u3002", "\uff08\u62ec\u53f7\uff09\uff1a\u6d4b\u8bd5\uff1b\uff1f",
    "A man\uff0c wearing a red shirt\uff0e", "\uff21\uff22\uff23 \uff11\uff12\uff13 \uff41\uff42\uff43", "\uff2c\uff2f\uff35\uff24\u3000\uff2e\uff2f\uff29\uff33\uff25\uff33", "\uff76\uff9e \uff8a\uff9f \uff71\uff72\uff73", "\uffa1\uffa2 \uffe3 \uffe5 \uffe6 \uffe1",
    "\uff5e\uff3f\uff0d\uff0f\uff3c", "\ufb01ne \ufb02ow e\ufb03cient ba\ufb04e \ufb00 \ufb06 \ufb05", "\u0132sland \u0133s", "\u0149 dag", "\u01c7 \u01cc", "\u00e6on \u0153uvre \u00c6ON",
]

HTML = [
    "&lt;b&gt;", "&quot;red&quot; &apos;blue&apos; &#39;green&#39;", "Tom &amp; Jerry", "&amp;amp;", "&amp;amp;amp;lt;", "&amp;lt;p&amp;gt;", "&nbsp;&nbsp;two", "&copy; &reg; &trade; &euro;", "caf&eacute; &Eacute; &EACUTE; &eAcute;",
    "&hellip;&mdash;&ndash;&lsquo;&rsquo;&ldquo;&rdquo;", "&#8217;s &#x2019;t &#X2019;", "&#128512; &#x1F600;", "&#0; &#xD800; &#x110000; &#99999999999;", "&#130; &#x85; &#150; &#x81;", "&#1; &#31; &#127; &#xFFFE; &#13;", "&#65 &#66x &#x43; &#x44g",
    "&amp &lt &gt &copy2020", "&notit; &notin; &not", "&ampersand &amparrow", "&unknown; &; & &# &#; &#x; &x", "R&D, AT&T, a&b;c", "this&not that", "&NotEqualTilde; &bne; &ThickSpace;x", "BUNDESSTRA&SZLIG;E &FFLIG; &NTILDE;",
    "<b>&amp;</b>", "&lt;\n<\n&lt;", "&eacute; < &eacute;", "a &lt; b &amp;&amp; c &gt; d", "&CounterClockwiseContourIntegral;", "&CounterClockwiseContourIntegra", "&fjlig; &Tab;x&NewLine;y", "&#32;&#9;&#10;x", "&amp;#39;", "&amp;quot;x&amp;quot;",
]

CONTROL = [
    "\ufeffA man", "a\ufeff man", "nul\x00 byte", "bell\x07 back\x08 esc\x1b", "\x1b[31mred\x1b[0m shirt", "\x1b[1;32;40mgreen\x1b[m", "\x1b[2J\x1b[Hclear", "\x1b[no letter 7", "del\x7f", "wait\x85 what", "smart \x93quotes\x94 \x91and\x92 dash \x97", "\x80 5 \x99",
    "undefined \x81 \x8d \x8f \x90 \x9d", "\ud83d\ude00 pair", "lone \ud83d high", "lone \ude00 low", "\ude00\ud83d swapped", "\ufff9a\ufffab\ufffb object \ufffc", "\u206aarabic\u206f", "a\rb\r\nc\n\rd", "caf\u00e9\x92s", "\x1a sub",
]

# good text, the encodings it was read in one after another, and whether no-break spaces became spaces
MISREAD = [
    ("it\u2019s a man\u2019s bag", ["cp1252"], False), ("caf\u00e9", ["latin-1"], False), ("caf\u00e9", ["cp1252", "cp1252"], False), ("caf\u00e9", ["latin-1", "cp1252", "cp1252"], False), ("\u201cred\u201d", ["sloppy-windows-1252"], False),
    ("the man \u2014 tall \u2013 walks\u2026", ["cp1252"], False), ("a\u00a0man", ["cp1252"], False), ("a\u00a0man", ["cp1252"], True), ("\u00e0 la mode", ["latin-1"], True), ("voil\u00e0 le travail", ["cp1252"], True),
    ("\u00e0s vezes, \u00e0quele", ["latin-1"], True), ("na\u00efve r\u00e9sum\u00e9", ["cp1252"], False), ("25\u00b0C \u00a320 \u20ac30", ["cp1252"], False), ("\u2714 ok", ["cp1252"], False), ("M\u00fcller stra\u00dfe", ["cp1250"], False),
    ("Jos\u00e9 Mart\u00ed", ["mac-roman"], False), ("\u201cquote\u201d it\u2019s", ["mac-roman"], False), ("\u041f\u0440\u0438\u0432\u0435\u0442", ["latin-1"], False), ("\u041f\u0440\u0438\u0432\u0435\u0442", ["sloppy-windows-1252"], False), ("\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440", ["cp1251"], False),
    ("\u0395\u03bb\u03bb\u03ac\u03b4\u03b1", ["sloppy-windows-1253"], False), ("\u7ea2\u8272\u886c\u886b", ["sloppy-windows-1252"], False), ("\u30b7\u30e3\u30c4", ["latin-1"], False), ("\ube68\uac04", ["sloppy-windows-1252"], False), ("\U0001f600 smile", ["sloppy-windows-1252"], False),
    ("\U0001f600", ["cp437"], False), ("caf\u00e9", ["cp437"], False), ("d\u00e9j\u00e0 vu", ["sloppy-windows-1254"], False), ("\u0161aty", ["sloppy-windows-1257"], False), ("\u017clta", ["iso-8859-2"], False), ("\u0627\u0644\u0639\u0631\u0628\u064a\u0629", ["sloppy-windows-1252"], False),
    ("\u0939\u093f\u0928\u094d\u0926\u0940", ["sloppy-windows-1252"], False), ("\u00c0 PROPOS", ["latin-1"], False), ("\u00bd cup, 3\u00d74", ["cp1252"], False), ("it\u2019s", ["cp1252", "cp1251"], False),
]

MIXED = [
    "\u00e2\u20ac\u0153 like this \u00e2\u20ac\ufffd", "\u00c3\u00a9 and \u00e9 together", "\u4e2d\u6587 caf\u00c3\u00a9 \u4e2d\u6587", "\u00c2 lone", "Inglaterra: \u00c1frica \u00c3\u0081frica", "\u00c5 and \u00c4 are letters", "x \u00c3 y", "P\u00c3?rez", "\u00e2\u20ac\u2122s \u2019s",
    "dash \u00e2\u20ac\u201c here &amp; \u00e2\u20ac\u2122", "&acirc;&euro;&trade;s", "&Atilde;&copy;", "100\u00c2\u00b0", "\u00c3\u00b1 \ufb01 \u201cx\u201d &amp; \x1b[0m\x92", "\u00ef\u00bb\u00bfbyte order mark", "\u00f0\u0178\u02dc\u20ac",
    "\u00ef\u00bf\u00bd replaced", "\u00ed\u00a0\u00bd\u00ed\u00b8\u0080", "l\u2019\u00c3\u00a9t\u00c3\u00a9 \u2014 \u4e2d", "\u00c0\u0080 nul", "R\u00c3\u00a9publique \u20ac \u00e2\u201a\u00ac", "\u00d0\u00c2 \u00ce\u0178", "\u0432\u0402\u2122 \u0413\u045e\u0412\u0402\u0412\u2122s",
]

LONG = [
    " ".join(["the man wears a red shirt with black trousers and carries a bag"] * 24), " ".join(f"word{i}" for i in range(300)), " ".join(["caf\u00e9 \u4e2d\u6587 it\u2019s"] * 100), "a " * 80, "man " * 75, "man " * 74, "man " * 76, "!" * 500, "ab" * 300,
]

BYTES = [  # not UTF-8
    b"caf\xe9", b"\xff\xfea\x00", b"\xc3", b"a\xe2\x82", b"\xe2\x82x", b"\xf0\x9f\x98", b"\xf0\x9f\x98x\x80", b"\xc0\x80 \xc1\xbf", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xed\xa0\xbd\xed\xb8\x80", b"\xed\xb8\x80\xed\xa0\xbd", b"\xed\xa0x", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\x80\x81\x82", b"\xe9\xe8 \xfc",
]

CAPTIONS = [  # what the small vocabulary is learnt from
    "a man wearing a red shirt and black pants.", "A woman in a long white dress, carrying a handbag.", "The man is walking; he's wearing a black hat and grey trousers.", "She wears a red coat with black boots and a red scarf.",
    "A young man with a blue backpack, blue jeans and white sneakers.", "The woman's hair is tied in a ponytail.", "the person wears a striped shirt, black shorts, size 42 and a cap", "An old man in a brown jacket, walking with a walking stick.",
    "A girl with long black hair wearing a white shirt and a black skirt.", "The boy wears a yellow raincoat and yellow boots, carrying a yellow umbrella!", "caf\u00e9 caf\u00e9 \u4e2d\u6587 \u4e2d\u6587", "banana bandana bananas", "bbbc bbc abbbc bcbc", "<|startoftext|> 100 1000",
]
