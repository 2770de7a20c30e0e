#!/usr/bin/env node
'use strict';

const { main } = require('../dist/bundle/main.cjs');

void main().then((code) => {
  process.exitCode = code;
});
