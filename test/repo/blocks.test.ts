/** The reader of documents that readme.test.ts and migrating.test.ts rely on. */
import { expect, test } from 'vitest';
import { parseBlocks } from './support/blocks.ts';

const FENCE = '```';

test('finds command blocks and leaves other languages alone', () => {
  const blocks = parseBlocks(`text\n\n${FENCE}sh\necho 1\necho 2\n${FENCE}\n\n${FENCE}json\n{}\n${FENCE}\n`);
  expect(blocks).toMatchObject([{ kind: 'run', line: 3, text: 'echo 1\necho 2', exitCode: 0, clone: false }]);
});

test('takes the commands of a console block and not their output', () => {
  expect(parseBlocks(`${FENCE}console\n$ echo 1\n1\n$ echo 2\n2\n${FENCE}`)).toMatchObject([
    { text: 'echo 1\necho 2' },
  ]);
});

test('reads what the comment above a block says', () => {
  const text = [
    '<!-- run: background ready=/listening on \\/x/i -->',
    `${FENCE}sh\nserve\n${FENCE}`,
    '<!-- run: expect=/a b/ exit=2 append="-- --port 0" -->',
    `${FENCE}sh\ncall\n${FENCE}`,
    '<!-- run: stop -->',
    '<!-- run: file=mcp.json -->',
    `${FENCE}json\n{}\n${FENCE}`,
    '<!-- run: clone -->',
    '',
    `${FENCE}sh\nnpm test\n${FENCE}`,
  ].join('\n');
  expect(parseBlocks(text)).toMatchObject([
    { kind: 'background', ready: /listening on \/x/i },
    { kind: 'run', expect: /a b/, exitCode: 2, text: 'call -- --port 0' },
    { kind: 'stop' },
    { kind: 'file', file: 'mcp.json', text: '{}' },
    { kind: 'run', clone: true, text: 'npm test' },
  ]);
});

test('ends the background at the next chapter', () => {
  expect(parseBlocks('## Next\n')).toMatchObject([{ kind: 'stop' }]);
});

test.each([
  ['a misspelt word', '<!-- run: backgruond -->'],
  ['a comment without a block', '<!-- run: exit=1 -->\ntext'],
  ['a block without an end', `${FENCE}sh\necho`],
  ['an expectation that is no regular expression', `<!-- run: expect=x -->\n${FENCE}sh\necho\n${FENCE}`],
])('refuses %s', (_what, text) => {
  expect(() => parseBlocks(text)).toThrow(/line \d/);
});
