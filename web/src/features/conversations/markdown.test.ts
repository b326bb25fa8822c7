import { describe, expect, it } from 'vitest';
import { type Block, type Inline, Reader, parse, plain } from './markdown';

/** The tree in letters: <b>, <i>, <s>, <code>, <pre>, <quote>, <ul>, <ol>, <li>, <a href (address)>. */
function drawn(text: string): string {
  return parse(text).map(draw).join('');
}

const within = (name: string, nodes: (Block | Inline)[]) => `<${name}>${nodes.map(draw).join('')}</${name}>`;

function draw(node: Block | Inline): string {
  switch (node.type) {
    case 'text':
      return node.text;
    case 'paragraph':
      return node.children.map(draw).join('');
    case 'code':
      return `<code>${node.text}</code>`;
    case 'fence':
      return `<pre>${node.text}</pre>`;
    case 'quote':
      return within('quote', node.children);
    case 'strong':
      return within('b', node.children);
    case 'emphasis':
      return within('i', node.children);
    case 'strike':
      return within('s', node.children);
    case 'link':
      return `<a ${node.href}${node.address ? ` (${node.address})` : ''}>${node.children.map(draw).join('')}</a>`;
    case 'list':
      return `<${node.ordered ? 'ol' : 'ul'}>${node.items
        .map(
          (item) =>
            `<li${item.number === null ? '' : ` ${item.number}`}>${item.children.map(draw).join('')}</li>`,
        )
        .join('')}</${node.ordered ? 'ol' : 'ul'}>`;
  }
}

describe('marks', () => {
  it.each([
    ['**bold** and __bold__', '<b>bold</b> and <b>bold</b>'],
    ['*leaning* and _leaning_', '<i>leaning</i> and <i>leaning</i>'],
    ['~~gone~~', '<s>gone</s>'],
    ['`x < y`', '<code>x < y</code>'],
    ['***both***', '<b><i>both</i></b>'],
    ['***both* bold**', '<b><i>both</i> bold</b>'],
    ['**a *b* ~~c~~ `d`**', '<b>a <i>b</i> <s>c</s> <code>d</code></b>'],
    ['_a **b** c_, «*d*».', '<i>a <b>b</b> c</i>, «<i>d</i>».'],
    ["l’*idée* et l'*été*", "l’<i>idée</i> et l'<i>été</i>"],
    ['un**gras**sement', 'un<b>gras</b>sement'],
    ['**two\nlines**', '<b>two\nlines</b>'],
    ['🎉*bravo*🎉 ❤️*toi*', '🎉<i>bravo</i>🎉 ❤️<i>toi</i>'],
    ['这是**重点**内容', '这是<b>重点</b>内容'],
    ['`` a`b ``', '<code>a`b</code>'],
    ['`a\\`', '<code>a\\</code>'],
    ['*a **b** c', '*a <b>b</b> c'],
    ['**a *b** c', '<b>a *b</b> c'],
    ['*a *b*', '*a <i>b</i>'],
  ])('%j', (text, tree) => {
    expect(drawn(text)).toBe(tree);
  });

  it.each([
    'snake_case_name __init__x',
    '2*3*4 and 2 * 3 * 4 and a*b',
    '**not closed',
    '*not closed',
    '~~not closed',
    '`not closed',
    '`over\nlines`',
    '**over an\n\nempty line**',
    '** a ** * b * ~~ c ~~',
    '-_- really -_- ^_^ and ^_^ >_< >_<',
    '****',
    '____',
    '~~~a~~~',
    '~a~',
    '``',
    '**',
    '[',
    '[]()',
    '](',
    '\\',
    '*️⃣ *️⃣*️⃣',
    'C:\\Users\\me',
    '5 > 3',
    '# a heading is none',
    'a | b\n--|--',
    '<b>no</b> &amp; <script>alert(1)</script>',
  ])('leave %j as it was typed', (text) => {
    expect(drawn(text)).toBe(text);
  });

  it('are written out after a backslash', () => {
    expect(drawn('\\*a\\* \\_b\\_ \\`c\\` \\[d](https://a.org) \\\\')).toBe(
      '*a* _b_ `c` [d](<a https://a.org/>https://a.org</a>) \\',
    );
    expect(drawn('\\> a\n\\- b\n1\\. c\n\\```')).toBe('> a\n- b\n1. c\n```');
  });
});

describe('blocks', () => {
  it('keep the line ends around them, and those inside a text', () => {
    expect(drawn('a\n\n\nb\nc')).toBe('a\n\n\nb\nc');
    expect(drawn('a\r\nb')).toBe('a\nb');
    expect(drawn('a\n\n> b\n\nc')).toBe('a\n\n<quote>b</quote>\nc');
    expect(drawn('a\n> b\nc')).toBe('a\n<quote>b</quote>c');
  });

  it('are code between fences, in which nothing is a mark', () => {
    expect(drawn('```\nlet *a* = "<b>";\n\n  > `x`\n```')).toBe('<pre>let *a* = "<b>";\n\n  > `x`</pre>');
    expect(drawn('see:\n```ts\n1\n```\nso')).toBe('see:\n<pre>1</pre>so');
    expect(drawn('````\n```\n````')).toBe('<pre>```</pre>');
    expect(drawn('```\n```')).toBe('<pre></pre>');
    expect(drawn('```one line```')).toBe('<code>one line</code>');
    expect(drawn('```\nnot closed **b**')).toBe('```\nnot closed <b>b</b>');
  });

  it('are quotes, inside each other', () => {
    expect(drawn('> a\n> *b*\nc')).toBe('<quote>a\n<i>b</i></quote>c');
    expect(drawn('>a\n>> b\n> c')).toBe('<quote>a\n<quote>b</quote>c</quote>');
    expect(drawn('> ```\n> x\n> ```\n> - y')).toBe('<quote><pre>x</pre><ul><li>y</li></ul></quote>');
    for (const face of ['>_<', '>:(', '>.<', '>=3']) expect(drawn(face)).toBe(face);
  });

  it('are lists, inside each other, with the numbers that were written', () => {
    expect(drawn('- a\n* **b**\n- c')).toBe('<ul><li>a</li><li><b>b</b></li><li>c</li></ul>');
    expect(drawn('3. a\n5. b')).toBe('<ol><li 3>a</li><li 5>b</li></ol>');
    expect(drawn('- a\n  - b\n    1. c\n- d')).toBe(
      '<ul><li>a\n<ul><li>b\n<ol><li 1>c</li></ol></li></ul></li><li>d</li></ul>',
    );
    expect(drawn('1. a\n   goes on\n\t- tab\n2. b')).toBe(
      '<ol><li 1>a\ngoes on\n<ul><li>tab</li></ul></li><li 2>b</li></ol>',
    );
    expect(drawn('to buy:\n- a\n1. b')).toBe('to buy:\n<ul><li>a</li></ul><ol><li 1>b</li></ol>');
    expect(drawn('-a\n-\n1.a\n2024. So long')).toBe('-a\n-\n1.a\n2024. So long');
  });
});

/** The pieces of a text without marks. */
function pieces(text: string): { text: string; href?: string }[] {
  const nodes = parse(text).flatMap((block) => ('children' in block ? (block.children as Inline[]) : []));
  return nodes.map((node) =>
    node.type === 'link' ? { text: plain([node]), href: node.href } : { text: plain([node]) },
  );
}

const links = (text: string) => pieces(text).flatMap((piece) => piece.href ?? []);
const shown = (text: string) => pieces(text).flatMap((piece) => (piece.href ? piece.text : []));

describe('links', () => {
  it('are found inside a sentence, and the text around them is kept', () => {
    expect(pieces('Voir https://exemple.fr/plan, puis répondre.')).toEqual([
      { text: 'Voir ' },
      { text: 'https://exemple.fr/plan', href: 'https://exemple.fr/plan' },
      { text: ', puis répondre.' },
    ]);
  });

  it.each([
    'javascript:alert(1)',
    'JaVaScRiPt://x%0aalert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:x',
    'file:///etc/passwd',
    'blob:https://a.org/1',
    'xhttps://a.org',
    'https://',
    'http://[',
  ])('are never made of %s', (text) => {
    expect(links(text)).toEqual([]);
    expect(pieces(text)).toEqual([{ text }]);
  });

  it('lose nothing of the text, whatever it is', () => {
    for (const text of [
      '',
      'a',
      'https://a.org',
      '\n https://a.org\n\nhttps://b.org) ',
      '](https://a.org)…',
    ]) {
      expect(
        pieces(text)
          .map((piece) => piece.text)
          .join(''),
      ).toBe(text);
    }
  });

  it('keep parentheses that belong to the address and drop the sentence’s', () => {
    expect(shown('(https://fr.wikipedia.org/wiki/Paris_(Texas))')).toEqual([
      'https://fr.wikipedia.org/wiki/Paris_(Texas)',
    ]);
    expect(shown('(voir https://a.org/b).')).toEqual(['https://a.org/b']);
    expect(shown('« https://a.org/b » “https://a.org/c”')).toEqual(['https://a.org/b', 'https://a.org/c']);
    expect(shown('https://a.org/?q=1&b[]=2!!!')).toEqual(['https://a.org/?q=1&b[]=2']);
  });

  it('end where a character would let the shown address differ from the real one', () => {
    expect(links('https://a.org/\u202Egpj.exe')).toEqual(['https://a.org/']);
    expect(links('https://a.org\u2066.evil.org')).toEqual(['https://a.org/']);
    expect(links('https://a.org\u200B.evil.org')).toEqual(['https://a.org/']);
  });

  it('refuse an address that shows one host and leads to another', () => {
    expect(links('https://bank.example@evil.example/')).toEqual([]);
    expect(links('https://bank.example:pay@evil.example/')).toEqual([]);
  });

  it('are mail addresses only when they are one', () => {
    expect(links('mailto:eloise@exemple.fr')).toEqual(['mailto:eloise@exemple.fr']);
    expect(links('mailto:nobody')).toEqual([]);
    expect(links('mailto:a@b@c')).toEqual([]);
  });
});

describe('links with a label', () => {
  it.each([
    ['[the plan](https://a.org/plan)', '<a https://a.org/plan>the plan</a>'],
    ['([**a** `b`](https://a.org/x_(y)), so)', '(<a https://a.org/x_(y)><b>a</b> <code>b</code></a>, so)'],
    ['**[a](http://a.org)**[b](mailto:b@a.org)', '<b><a http://a.org/>a</a></b><a mailto:b@a.org>b</a>'],
    ['[a](https://a.org/*x*_y_)', '<a https://a.org/*x*_y_>a</a>'],
    ['[a \\] b](https://a.org)', '<a https://a.org/>a ] b</a>'],
    ['[a](https://a.org),[b](https://b.org)', '<a https://a.org/>a</a>,<a https://b.org/>b</a>'],
  ])('%j', (text, tree) => {
    expect(drawn(text)).toBe(tree);
  });

  it.each([
    '[a](javascript:alert(1))',
    '[a](JaVaScRiPt:alert%281%29)',
    '[a](java\tscript:alert(1))',
    '[a](data:text/html,x)',
    '[a](vbscript:x)',
    '[a](//evil.example)',
    '[a](/settings)',
    '[a](www.example.org)',
    '[a](file:///etc/passwd)',
    '[a](mailto:nobody)',
    '[a](https://bank.example@evil.example)',
    '[a](https://)',
    '[a]()',
    '[a] (b)',
  ])('are never made of %j', (text) => {
    expect(drawn(text)).toBe(text);
  });

  it('are not made of what cannot be pressed or is not closed', () => {
    for (const text of [
      '[](https://a.org)',
      '[ ](https://a.org)',
      '[a\nb](https://a.org)',
      '[a](https://a.org b)',
    ])
      expect(drawn(text)).not.toContain('">');
    expect(drawn('[ ](https://a.org)')).toBe('[ ](<a https://a.org/>https://a.org</a>)');
    expect(drawn('[a](https://a.org')).toBe('[a](<a https://a.org/>https://a.org</a>');
  });

  it('do not hold others', () => {
    expect(drawn('[see https://b.org](https://a.org)')).toBe(
      '<a https://a.org/ (https://a.org/)>see https://b.org</a>',
    );
    expect(drawn('[a [b](https://b.org)](https://a.org)')).toBe(
      '[a <a https://b.org/>b</a>](<a https://a.org/>https://a.org</a>)',
    );
  });

  const addressOf = (text: string) => / \((.*?)\)>/.exec(drawn(text))?.[1] ?? null;

  it.each([
    ['another address', '[https://bank.example](https://evil.example/x)'],
    ['another scheme', '[https://evil.example/x](http://evil.example/x)', 'http://evil.example/x'],
    ['a host without scheme', '[bank.example](https://evil.example/x)'],
    ['another host at the front', '[www.bank.example/login](https://evil.example/x)'],
    ['another mail address', '[me@bank.example](https://evil.example/x)'],
    ['an address behind marks', '[ba**nk**.exa`mple`](https://evil.example/x)'],
    ['an address in wide letters', '[ｂａｎｋ．ｅｘａｍｐｌｅ](https://evil.example/x)'],
    ['a dot that is none', '[bank․example](https://evil.example/x)'],
    ['a dot of another script', '[bankꓸexample](https://evil.example/x)'],
    ['letters that turn around', '[elpmaxe.\u202ebank](https://evil.example/x)'],
    ['a letter nobody sees', '[ba\u200bnk](https://evil.example/x)'],
    ['plain words that turn around', '[to the \u202eknab](https://evil.example/x)'],
    ['a blank that is none', '[bank\u00ad](https://evil.example/x)'],
    ['two scripts in a word', '[pаypal](https://evil.example/x)'],
  ])('show where they lead when the label is %s', (_, text, address = 'https://evil.example/x') => {
    expect(addressOf(text)).toBe(address);
  });

  it('show where they lead when the host has letters that look like others', () => {
    expect(addressOf('[the bank](https://аррӏе.com)')).toBe('https://xn--80ak6aa92e.com/');
    expect(addressOf('https://аррӏе.com/x')).toBe('https://xn--80ak6aa92e.com/x');
    expect(addressOf('https://xn--80ak6aa92e.com/x')).toBe('https://xn--80ak6aa92e.com/x');
    expect(addressOf('mailto:me@аррӏе.com')).toContain('mailto:me@%D0%B0');
  });

  it('say it once when the label is the address, or plain words', () => {
    for (const text of [
      'https://a.org/été',
      '[https://a.org](https://a.org/)',
      '[a.org/x](https://a.org/x)',
      '[b@a.org](mailto:b@a.org)',
      '[le compte-rendu de l’été](https://a.org)',
      '[Ваш отчёт](https://a.org)',
      '[👩‍👩‍👧 ❤️](https://a.org)',
    ]) {
      expect(drawn(text)).toContain('<a ');
      expect(addressOf(text)).toBeNull();
    }
  });
});

describe('the words without the marks', () => {
  it.each([
    ['**Bonjour** _toi_, voir [le plan](https://a.org) `x`', 'Bonjour toi, voir le plan x'],
    ['> quoted\n\nanswer', 'quoted answer'],
    ['to buy:\n- bread\n- **milk**\n  1. cold', 'to buy: • bread • milk 1. cold'],
    ['so:\n```\nlet a;\nlet b;\n```\nok', 'so: let a; let b; ok'],
    ['snake_case', 'snake_case'],
  ])('%j', (text, words) => {
    expect(plain(parse(text)).trim().replace(/\s+/g, ' ')).toBe(words);
  });
});

describe('hostile text', () => {
  const SIZE = 16 * 1024;
  const many = (part: string) => part.repeat(Math.ceil(SIZE / part.length)).slice(0, SIZE);
  const hostile: Record<string, (size: number) => string> = Object.fromEntries(
    [
      '*',
      '_',
      '~',
      '`',
      '[',
      ']',
      '>',
      '\\',
      '(',
      '- ',
      '> ',
      '1. ',
      '~~',
      '**',
      '***',
      '* ',
      ' *',
      '*a',
      '*a ',
      '**a ',
      '*a **b ',
      '*a _b ~~c __d **e ',
      '_a*',
      'a**',
      '`a``',
      '` `` ',
      '``` \n',
      '```a\n',
      '```\n',
      '[a](',
      '[a](https://x',
      '[a](https://x)',
      '[[a](https://x)',
      '[\\[',
      '[a]',
      '](',
      '![',
      'https://',
      'https://x)',
      'mailto:a@',
      'a.)',
      '> - ',
      '- > ',
      '>\n',
      '> a\n',
      '- a\n  ',
      '\n',
      '\n\n',
      ' \n',
      '*\n',
      '*a\n\n',
      '\t',
      '\\*',
      '\\`',
      '<a',
    ].map((part) => [part, (size: number) => many(part).slice(0, size)]),
  );
  hostile['code of every length'] = (size) =>
    Array.from({ length: 300 }, (_, n) => '`'.repeat(n + 1))
      .join('a')
      .slice(0, size);
  hostile['fences of every length'] = (size) =>
    Array.from({ length: 300 }, (_, n) => '`'.repeat(303 - n))
      .join('\n')
      .slice(-size);
  hostile['as many closed as opened'] = (size) =>
    ('*a '.repeat(SIZE / 6) + ' a*'.repeat(SIZE / 6)).slice(0, size);
  hostile['one more level a line'] = (size) =>
    Array.from({ length: 300 }, (_, n) => `${'  '.repeat(n)}- a`)
      .join('\n')
      .slice(0, size);
  hostile['closing signs after an address'] = (size) => `https://a.org/${')'.repeat(SIZE)}`.slice(0, size);

  function measure(nodes: (Block | Inline)[]): { nodes: number; depth: number; letters: number } {
    let count = 0;
    let letters = 0;
    let depth = 0;
    const visit = (node: Block | Inline, level: number) => {
      count += 1;
      depth = Math.max(depth, level);
      if ('text' in node) letters += node.text.length;
      else if (node.type === 'list')
        for (const item of node.items) {
          count += 1;
          for (const child of item.children) visit(child, level + 2);
        }
      else for (const child of node.children) visit(child, level + 1);
    };
    for (const node of nodes) visit(node, 1);
    return { nodes: count, depth, letters };
  }

  it.each(Object.entries(hostile))(
    '%j takes steps in proportion to its length, and stays shallow',
    (_, of) => {
      const read = (size: number) => {
        const reader = new Reader();
        const text = of(size);
        const tree = reader.blocks(text.split('\n'), 0);
        return { text, steps: reader.steps, ...measure(tree) };
      };
      const { text, steps, nodes, depth, letters } = read(SIZE);
      expect(text.length).toBeGreaterThan(8 * 1024);
      expect(steps).toBeLessThan(12 * text.length);
      expect(nodes).toBeLessThan(4 * text.length);
      expect(letters).toBeLessThanOrEqual(text.length);
      expect(depth).toBeLessThanOrEqual(2 * 4 + 1 + 2 * 6);
    },
  );
});
