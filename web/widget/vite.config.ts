import { defineConfig, type Plugin } from 'vite';

/**
 * The byte order mark makes browsers read the file as UTF-8 even on a page in another encoding
 * and from a server that sends no charset.
 */
const withByteOrderMark: Plugin = {
  name: 'with-byte-order-mark',
  enforce: 'post',
  generateBundle(_, bundle) {
    for (const file of Object.values(bundle)) if (file.type === 'chunk') file.code = '\ufeff' + file.code;
  },
};

export default defineConfig({
  plugins: [withByteOrderMark],
  define: { 'process.env.NODE_ENV': '"production"' },
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact', charset: 'utf8', legalComments: 'none' },
  build: {
    target: 'es2021',
    minify: 'terser',
    terserOptions: {
      ecma: 2020,
      compress: { passes: 3, pure_getters: true, unsafe_arrows: true, unsafe_methods: true },
      format: { comments: false },
    },
    lib: { entry: 'src/main.tsx', formats: ['iife'], name: 'ThiqaWidget', fileName: () => 'widget.js' },
  },
});
