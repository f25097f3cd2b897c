/** The pictures that come with the page; they are our own. */
export const SAMPLES = ['three', 'seven', 'landscape']
