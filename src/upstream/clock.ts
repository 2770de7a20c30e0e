export { every, systemClock, type Clock } from '../clock.ts';
