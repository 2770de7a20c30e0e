/** A part of the package that can be loaded by itself, and that has no types of its own there. */
declare module 'undici/lib/dispatcher/agent.js' {
  import { Agent } from 'undici';

  export default Agent;
}
