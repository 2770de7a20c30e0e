import { testDocument } from './support/document.ts';

testDocument('README.md');
