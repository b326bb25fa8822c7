import { story } from './support/story.ts';
import { test } from './support/test.ts';

test('two people find each other, write, and find everything again in another browser', async ({
  person,
  browserOf,
}) => {
  await story(await person('Éloïse Marchand'), await person('Bob Nkemelu'), await browserOf());
});
