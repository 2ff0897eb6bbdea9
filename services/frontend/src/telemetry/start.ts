import { traceBrowser } from './browser';

traceBrowser();
